"""SIGTERM that comes while Snakemake's main thread holds the scheduler's lock ends the run, too."""

import os
import signal
import threading
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from ptebench.plan import signals
from ptebench.plan.signals import in_thread


@pytest.fixture
def scheduler():
    scheduler = SimpleNamespace(_lock=threading.Lock(), _open_jobs=threading.Semaphore(0), _user_kill=None)
    handle = in_thread(JobScheduler.exit_gracefully)
    before = signal.signal(signal.SIGTERM, lambda *_: handle(scheduler))
    yield scheduler
    signal.signal(signal.SIGTERM, before)


def test_a_signal_while_the_scheduler_is_locked_waits_for_it_and_is_heard(scheduler, monkeypatch):
    with scheduler._lock:
        os.kill(os.getpid(), signal.SIGTERM)
        assert scheduler._user_kill is None
    assert scheduler._open_jobs.acquire(timeout=30) and scheduler._user_kill == "graceful"
    os.kill(os.getpid(), signal.SIGTERM)  # at once, as `timeout` does
    monkeypatch.setattr(signals, "APART", 0.0)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
