"""Locks of dead runs are taken away, those of runs that may live are not."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ptebench import leases
from ptebench.plan import locks


def workflow(dryrun=False, mode="DEFAULT"):
    return SimpleNamespace(exec_mode=SimpleNamespace(name=mode), output_settings=SimpleNamespace(dryrun=dryrun))


@pytest.fixture
def lock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks.atexit, "register", lambda *_, **__: None)
    for name in ("locks", "runs"):
        (tmp_path / ".snakemake" / name).mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").write_text("results/x")
    return tmp_path / ".snakemake/locks/0.input.lock"


def dead():
    said = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    return said.stdout.strip()


def test_a_lock_of_a_dead_run_is_taken_away_and_this_run_is_named(lock):
    number = dead()
    (locks.RUNS / number).write_text(f"{number} {leases.place()}")
    locks.free(workflow(dryrun=True))
    locks.free(workflow(mode="REMOTE"))
    assert lock.exists()
    locks.free(workflow())
    assert not lock.exists() and [path.name for path in locks.RUNS.iterdir()] == [str(os.getpid())]
    assert (locks.RUNS / str(os.getpid())).read_text() == leases.this_run()


@pytest.mark.parametrize(
    "runs", [{"1": "1 {here}"}, {"{dead}": "{dead} elsewhere"}, {"{dead}": "{dead} {here}", "1": "1 {here}"}, {}]
)
def test_a_lock_of_a_run_that_may_live_stays(lock, runs):
    names = {"dead": dead(), "here": leases.place()}
    for name, text in runs.items():
        (locks.RUNS / name.format(**names)).write_text(text.format(**names))
    locks.free(workflow())
    assert lock.exists()
