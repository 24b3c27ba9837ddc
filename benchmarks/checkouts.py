"""Copies of this checkout in which runs are disturbed, and what is visible in them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from ptebench.leases import RUN
from ptebench.provenance import REPOSITORY, file_digest
from ptebench.records import RECORD, read_record

CONFIG = "benchmarks/faults.yaml"
# what holds times, and so differs between any two runs
CLOCKED = ("training.csv", "rewards.csv", ".costs.csv")
CLOCK = Path("ptebench/checkpoints.py")


def copy(folder: Path) -> Path:
    """Return a copy of the files of this checkout that git knows of, or would, in which checkpoints are always due."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (REPOSITORY / name).exists() or (REPOSITORY / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name, follow_symlinks=False)
    clock = (folder / CLOCK).read_text()
    (folder / CLOCK).write_text(clock.replace("CHECKPOINT_SECONDS = 60.0", "CHECKPOINT_SECONDS = 0.0"))
    return folder


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start snakemake in a checkout, in a group of its own; what it says goes to run.log."""
    variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", RUN)}
    command = [sys.executable, "-P", "-m", "snakemake", *arguments, "--cores", "2", "--configfile", CONFIG]
    with open(folder / "run.log", "wb") as log:
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)


def finish(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run snakemake to its end; return its status and what it said."""
    status = start(folder, *arguments).wait()
    return status, (folder / "run.log").read_text(errors="replace")


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every artefact that is visible under its name."""
    files = (path for path in sorted((folder / "results").rglob("*")) if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    hidden = (RECORD, ".answers.jsonl", "checkpoint.safetensors", *CLOCKED)
    scratch = ("/checkpoints/", "/training/", "/.")
    return {n: file_digest(p) for n, p in names.items() if not n.endswith(hidden) and not any(s in n for s in scratch)}


def jobs(folder: Path) -> list[psutil.Process]:
    """Return the processes of jobs that run in a checkout, without their shells."""
    ours = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words[1:2] == ["-m"] and words[2].startswith("workflow_scripts") and Path(process.cwd()) == folder:
                ours.append(process)
        except (psutil.Error, IndexError):
            continue
    return ours


def faults_of(folder: Path, calm: dict[str, str]) -> list[str]:
    """Return what is visible and is not as in the calm run, and records that are not whole."""
    wrong = [name for name, digest in digests(folder).items() if calm.get(name, digest) != digest]
    for record in (folder / "results").rglob(f"*{RECORD}"):
        if not record.name.startswith("."):
            try:
                read_record(record)
            except Exception as error:
                wrong.append(str(error))
    return wrong
