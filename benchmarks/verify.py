"""How long `python -m ptebench.verify` takes for a tree of results of 10,000 artefacts, each with its record.

python benchmarks/verify.py [COUNT]
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ptebench.files import write_json
from ptebench.provenance import REPOSITORY, code_modules, file_digest
from ptebench.records import seal

SIZE = 100_000  # bytes of an artefact: a cell's model and ranks, a table
FLIPS = 20  # bits that flip before a second look
COMMAND = "python -m workflow_scripts.train --spec '{}' --code abc --provenance "


def make(folder: Path, count: int) -> list[str]:
    """Write artefacts with records, each made from one of the hundred before it; return their names."""
    write_json(code_modules("workflow_scripts.train"), folder / "results/code/abc.json")
    names: list[str] = []
    for number in range(count):
        name = f"results/cells/{number % 100}/{number}/model"
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(SIZE))
        record = f"{name}.provenance.json"
        inputs = {earlier: file_digest(folder / earlier) for earlier in names[-100 : len(names) and -99]}
        spec = {f"setting_{key}": key / 7 for key in range(60)}  # a record of a cell has about this many
        made = {"outputs": {name: file_digest(path)}, "inputs": inputs, "spec": spec, "code": "abc"}
        write_json(seal(made | {"command": COMMAND + record}), folder / record)
        names.append(name)
    return names


def look(folder: Path) -> tuple[float, int, list[str]]:
    """Return the seconds of one look, its exit status, and the lines that it said."""
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    began = time.perf_counter()
    command = [sys.executable, "-m", "ptebench.verify", "results"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    return time.perf_counter() - began, done.returncode, done.stdout.splitlines()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    folder = Path(tempfile.mkdtemp(prefix="verify-"))
    try:
        names = make(folder, count)
        seconds, status, lines = look(folder)
        print(f"{seconds:.1f} s, exit {status}: {lines[-1]}")
        for name in names[:: max(1, count // FLIPS)]:
            content = bytearray((folder / name).read_bytes())
            content[SIZE // 2] ^= 1
            (folder / name).write_bytes(content)
        seconds, status, lines = look(folder)
        named = sum(line.startswith("other bytes: ") for line in lines)
        print(f"{seconds:.1f} s, exit {status}: {named} of {len(names[:: max(1, count // FLIPS)])} flipped bits named")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
