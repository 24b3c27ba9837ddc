"""Mutate valid files of every reader for some time, and keep what breaks one: a result, or an error that names the file.

python -m tests.mutations [--seconds 1800] [--seed 0] [--only WORD]

Readers run in a process beside this one with 6 GB, so that what kills it is seen as what fails. What fails is written to
tests/mutations/corpus/, where `make test` reads it ever after.
"""

import argparse
import faulthandler
import random
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.mutations.cases import READERS, kept
from tests.mutations.mutations import mutated, steps

MEMORY = 6 * 2**30  # bytes that a reader may ask for
PATIENCE = 20.0  # seconds for one file
ROUND = 100  # files between two looks at the clock


def keep(reader: str, content: bytes) -> Path:
    """Write a file of the corpus and return its path."""
    kept(reader).mkdir(parents=True, exist_ok=True)
    path = kept(reader) / sha256(content).hexdigest()[:12]
    path.write_bytes(content)
    return path


def work(name: str, number: int, until: float, scratch: Path) -> int:
    """Mutate the files of one reader until the time; return 1 where one breaks it, which hypothesis has made small."""
    reader, tried, smallest = READERS[name], 0, b""

    def attempt(drawn) -> None:
        nonlocal tried, smallest
        content, tried = mutated(reader.files[reader.target], drawn), tried + 1
        (scratch / "last").write_bytes(content)
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            try:
                reader.try_in(Path(folder), content)
            except BaseException:
                smallest = content
                raise
        faulthandler.cancel_dump_traceback_later()

    while tried == 0 or time.time() < until:
        number += 1
        asked = settings(
            max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink], print_blob=False,
        )  # fmt: skip
        try:
            seed(number)(asked(given(steps(reader.binary))(attempt)))()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # Rust's panic is no Exception
            faulthandler.cancel_dump_traceback_later()
            said = (str(error).splitlines() or [""])[0]
            print(f"{name}: {type(error).__name__}: {said[:300]}\n  kept as {keep(name, smallest)}", flush=True)
            return 1
    print(f"{name}: {tried} files", flush=True)
    return 0


def work_through(names: list[str], number: int, until: float, scratch: Path) -> None:
    """Give each reader its share of the time; say in the scratch folder which one is at work, and what broke."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    faulthandler.enable()
    for place, name in enumerate(names):
        (scratch / "reader").write_text(name)
        share = (until - time.time()) / (len(names) - place)
        if work(name, number, time.time() + share, scratch):
            with open(scratch / "broken", "a") as stream:
                stream.write(f"{name}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose name has this word")
    parser.add_argument("--within", type=Path, help=argparse.SUPPRESS)  # the child's scratch folder
    options = parser.parse_args()
    names, until = [name for name in READERS if options.only in name], time.time() + options.seconds
    random.Random(options.seed).shuffle(names)
    if options.within:
        work_through((options.within / "todo").read_text().splitlines(), 1000 * options.seed, until, options.within)
        return 0
    todo = names
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        while todo:
            (scratch / "todo").write_text("\n".join(todo))
            command = [sys.executable, "-m", "tests.mutations", "--within", folder, "--seed", str(options.seed)]
            done = subprocess.run([*command, "--seconds", str(max(1.0, until - time.time()))], stderr=subprocess.PIPE)
            if not done.returncode:
                break
            name = (scratch / "reader").read_text()
            print(f"{name}: the process ended with {done.returncode}\n{done.stderr.decode(errors='replace')[-1500:]}")
            print(f"  kept as {keep(name, (scratch / 'last').read_bytes())}", flush=True)
            with open(scratch / "broken", "a") as stream:
                stream.write(f"{name}\n")
            todo = todo[todo.index(name) + 1 :]
        broken = (scratch / "broken").read_text().splitlines() if (scratch / "broken").exists() else []
    print(
        f"{len(names)} readers, {len(broken)} of them broken: {', '.join(broken)}"
        if broken
        else f"{len(names)} readers, none broken"
    )
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
