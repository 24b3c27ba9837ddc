"""SIGTERM at any moment: the first one lets running jobs end, the second one ends them.

Snakemake's handler takes locks that the thread which it interrupts may hold.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
from snakemake.scheduling.job_scheduler import JobScheduler

APART = 1.0  # seconds between two that are meant: `timeout` sends one to the process and one to its group


def attach() -> None:
    """Let a run end whenever SIGTERM comes; else one that just then writes down a finished job waits for itself."""
    JobScheduler.exit_gracefully = in_thread(JobScheduler.exit_gracefully)


def in_thread(handler: Callable[..., None]) -> Callable[..., None]:
    """Return a handler that runs another in a thread, which waits until locks are free; a second time it is Ctrl-C."""
    times = list[float]()

    def handle(*arguments: Any) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            threading.Thread(target=handler, args=arguments, daemon=True).start()
        elif times[-1] - times[0] > APART:
            for job in psutil.Process().children(recursive=True):  # Ctrl-C reaches them by the terminal
                with suppress(psutil.Error):
                    job.terminate()
            raise KeyboardInterrupt  # no SIGINT, which a run in the background may ignore

    return handle
