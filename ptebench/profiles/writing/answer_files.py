"""Files of answers: JSON lines that grow as the answers come, one line a key, each with a digest of itself."""

import fcntl
import json
import threading
from contextlib import contextmanager
from pathlib import Path

from ptebench.errors import NO_JSON
from ptebench.records import SEAL, is_sealed, seal


@contextmanager
def open_answers(file: Path):
    """Yield the answers in a file by their key, and a function that adds one; other jobs wait for it meanwhile.

    A line that is not as it was written is none.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{file}: waiting for another job that asks the same model", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        answers, line, others = {}, b"\n", 0
        for line in stream:
            try:
                answer = json.loads(line.decode())  # of bytes it would guess at UTF-16
                if not is_sealed(answer):
                    raise ValueError(line)
                del answer[SEAL]
                answers[answer.pop("key")] = answer
            except (*NO_JSON, KeyError, AttributeError, TypeError):  # flipped bits, or cut short by a kill, a full disk
                others += bool(line.strip())
        if others:
            print(f"{file}: damaged or of an earlier version, and so no answers: {others:,} lines", flush=True)
        if not line.endswith(b"\n"):
            stream.write(b"\n")
        one_at_a_time = threading.Lock()

        def keep(key: str, answer: dict) -> None:
            with one_at_a_time:
                stream.write(json.dumps(seal({"key": key, **answer}), ensure_ascii=False).encode() + b"\n")
                stream.flush()
                answers[key] = answer

        yield answers, keep


def answers_file(profiles: Path, maker: str) -> Path:
    """Return the file of the answers behind a profiles file, of one maker; those of former makers are deleted.

    maker: digest of all that an answer depends on beside its prompt.
    """
    file = profiles.with_name(f"{profiles.stem}.{maker[:16]}.answers.jsonl")
    for former in profiles.parent.glob(f"{profiles.stem}.*.answers.jsonl"):
        if former != file:
            former.unlink()
    return file
