"""Locks of dead runs are taken away, those of runs that may live are not; runs wait for those of their own folder."""

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
    for name in ("locked", "_delete_locks"):
        monkeypatch.setattr(locks.FilePersistence, name, getattr(locks.FilePersistence, name))
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
    locks.begin(workflow(dryrun=True))
    locks.begin(workflow(mode="REMOTE"))
    assert lock.exists()
    locks.begin(workflow())
    assert not lock.exists() and [path.name for path in locks.RUNS.iterdir()] == [str(os.getpid())]
    assert (locks.RUNS / str(os.getpid())).read_text() == leases.this_run()


@pytest.mark.parametrize(
    "runs", [{"1": "1 {here}"}, {"{dead}": "{dead} elsewhere"}, {"{dead}": "{dead} {here}", "1": "1 {here}"}, {}]
)
def test_a_lock_of_a_run_that_may_live_stays(lock, runs):
    names = {"dead": dead(), "here": leases.place()}
    for name, text in runs.items():
        (locks.RUNS / name.format(**names)).write_text(text.format(**names))
    locks.begin(workflow())
    assert lock.exists()


def test_a_run_waits_for_a_living_one_of_its_folder_and_begins_again(lock, monkeypatch, capsys):
    asked, again = [], []
    monkeypatch.setattr(locks, "PAUSE", 0.0)
    monkeypatch.setattr(locks.os, "execv", lambda *words: again.append(words))
    locks.begin(workflow())
    (locks.RUNS / "1").write_text(f"1 {leases.place()}")
    ask = locks.waiting(lambda _: asked.append(1) or len(asked) < 4)
    assert ask(None) is False and len(asked) == 4 and len(again) == 1 and lock.exists()
    assert capsys.readouterr().err.count("process 1") == 1
    assert [file.name for file in locks.RUNS.iterdir()] == ["1"], "nobody waits for who waits"


def test_a_run_waits_for_none_that_was_killed_and_for_none_elsewhere(lock, monkeypatch):
    locks.begin(workflow())
    (locks.RUNS / "1").write_text("1 elsewhere")
    ask = locks.waiting(lambda _: lock.exists())
    assert ask(None) is True and lock.exists()
    (locks.RUNS / "1").write_text(f"{dead()} {leases.place()}")
    assert ask(None) is False and not lock.exists()


def test_a_run_takes_its_own_locks_away_alone(lock):
    other = lock.with_name("1.input.lock")
    other.write_text("results/y")
    delete = locks.keeping(lambda _: lock.unlink())
    delete(run := SimpleNamespace(_lockfile={"input": str(other)}))
    assert lock.exists() and not other.exists()
    delete(run)
    assert not lock.exists(), "as --unlock asks"


def test_results_that_another_checkout_makes_are_refused(lock, monkeypatch):
    shared, number = lock.parents[2] / "shared", dead()
    shared.mkdir()
    locks.RESULTS.symlink_to(shared)
    (shared / ".9.run.lease").write_text(f"{number} {leases.place()} /gone")
    locks.begin(workflow())
    assert [file.name for file in shared.iterdir()] == [f".{os.getpid()}.run.lease"]
    (shared / ".1.run.lease").write_text(f"1 {leases.place()} /home/ann/a%20b")
    with pytest.raises(locks.InputError, match="another checkout, /home/ann/a b, makes files in .*delete results"):
        locks.begin(workflow())
