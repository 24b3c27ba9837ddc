"""Whose a file is: of all jobs that make it, the one that began last; and no job outlives the run that started it.

A job that goes on when its run has been killed would, once it ends, put its old result over what a new run has made.
"""

import ctypes
import os
import platform
import secrets
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ptebench.errors import InputError

RUN = "PTEBENCH_RUN"  # the variable by which jobs know the run that started them
PARENT_DEATH = 1  # PR_SET_PDEATHSIG of Linux


class Superseded(InputError):
    """Another job has begun to make the same files since."""


def place() -> str:
    """Return what a process number means here: the machine, and its name space where there are several."""
    try:
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def this_run() -> str:
    """Return this process as its jobs know it."""
    return f"{os.getpid()} {place()}"


def wait_for_end(process: int) -> Callable[[], None]:
    """Return a function that waits until a process has ended; raise ProcessLookupError where it has already."""
    if not is_alive(process):
        raise ProcessLookupError(process)
    try:
        handle = os.pidfd_open(process)
    except (AttributeError, OSError):  # no Linux, an old one, or it ended just now

        def ask() -> None:
            while is_alive(process):
                time.sleep(1.0)

        return ask

    def wait() -> None:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll()

    return wait


def is_alive(process: int) -> bool:
    """Return whether there is a process of this number here."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end_with(run: str) -> None:
    """End this process as soon as a run has ended; on another machine than the run's, do nothing.

    Between a run and its job stands a shell, which outlives the run: the parent of the job tells nothing.
    """
    process, _, where = run.partition(" ")
    if where != place():
        return

    def watch() -> None:
        wait()
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        wait = wait_for_end(int(process))
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Thread(target=watch, daemon=True).start()


def die_with_parent() -> Callable[[], None] | None:
    """Return what a new process of this one calls first, to be ended with it; None where this is no Linux."""
    control, parent = getattr(ctypes.CDLL(None), "prctl", None), os.getpid()
    if control is None:
        return None

    def bind() -> None:
        control(PARENT_DEATH, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before
            os._exit(1)

    return bind


class Lease:
    """A file beside the first file that a job makes; it says which job began last."""

    def __init__(self, path: Path):
        self.path, self.mark = path, f"{this_run()} {secrets.token_hex(8)}\n"
        self.file = path.with_name(f".{path.name}.lease")

    def take(self) -> None:
        """Make the files this job's."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.mark)

    def is_held(self) -> bool:
        """Return whether no other job has begun since."""
        try:
            return self.file.read_text() == self.mark
        except FileNotFoundError:  # the other one is done already
            return False

    def check(self) -> None:
        """Raise Superseded where another job has begun since."""
        if not self.is_held():
            raise Superseded(f"{self.path}: another job has begun to make this since, so this one leaves it as it is")

    def end(self) -> None:
        """Take the file away, unless it is another job's."""
        if self.is_held():
            self.file.unlink(missing_ok=True)


own: list[Lease] = []  # by this process: one in a job, none elsewhere


def check() -> None:
    """Raise Superseded where what this process makes is no longer its own."""
    for lease in own:
        lease.check()
