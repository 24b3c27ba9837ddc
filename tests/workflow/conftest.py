"""A checkout with a finished run of the demo, in which every job was stood in for by stub.py."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SKIP = shutil.ignore_patterns(
    "results", "logs", ".snakemake", ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis"
)


def snakemake(folder, *arguments, stub=True):
    """Run snakemake in a checkout; with `stub`, jobs only make their files."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    if stub:
        env["BASH_FUNC_python%%"] = f"() {{ '{sys.executable}' -S '{ROOT}/tests/workflow/stub.py' \"$@\"; }}"
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def planned(folder, *arguments):
    """Return how many jobs of each rule a dry run plans."""
    done = snakemake(folder, "--dry-run", *arguments)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-1000:]
    jobs = Counter(re.findall(r"^\s*(?:local)?rule (\w+):", done.stdout + done.stderr, re.M))
    jobs.pop("tables", None)
    return dict(jobs)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "checkout"
    shutil.copytree(ROOT, folder, ignore=SKIP)
    done = snakemake(folder)
    assert done.returncode == 0, done.stderr[-3000:]
    assert planned(folder) == {}, "a finished run plans nothing"
    return folder


@pytest.fixture
def checkout(finished, tmp_path):
    """A copy of the finished checkout, modification times kept."""
    folder = tmp_path / "checkout"
    shutil.copytree(finished, folder, symlinks=True)
    return folder
