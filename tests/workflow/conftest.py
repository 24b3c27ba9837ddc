"""A checkout with a finished run of reruns.yaml, in which every job was stood in for by stub.py."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "tests/workflow/stub.py"
SKIP = shutil.ignore_patterns(
    "results", "logs", ".snakemake", ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis"
)


def stubbed():
    """Return the environment of a run in which jobs only make their files."""
    # by the word before `python` in the shell text of jobs
    return plain() | {"BASH_FUNC_command%%": f"() {{ shift; '{sys.executable}' -S '{STUB}' \"$@\"; }}"}


def plain():
    """Return the environment without what a test run sets for itself."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OMP_NUM_THREADS")}


def snakemake(folder, *arguments, stub=True):
    """Run snakemake in a checkout; with `stub`, jobs only make their files."""
    env = stubbed() if stub else plain()
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def planned(folder, *arguments):
    """Return how many jobs of each rule a dry run plans."""
    done = snakemake(folder, "--dry-run", "--printshellcmds", *arguments)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    jobs = Counter(re.findall(r"^\s*(?:local)?rule (\w+):", done.stdout + done.stderr, re.M))
    jobs.pop("tables", None)
    return dict(jobs)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """Return the checkout, made once for all workers of a test run; tests read it and write into copies alone."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            making = folder.with_name("making")
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(ROOT, making, symlinks=True, ignore=SKIP)
            shutil.copy(ROOT / "tests/workflow/reruns.yaml", making / "config.yaml")
            done = snakemake(making)
            assert done.returncode == 0, done.stderr[-3000:]
            assert planned(making) == {}, "a finished run plans nothing"
            making.rename(folder)
    return folder


@pytest.fixture
def checkout(finished, tmp_path):
    """A copy of the finished checkout, modification times kept."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished, folder, symlinks=True)
    return folder
