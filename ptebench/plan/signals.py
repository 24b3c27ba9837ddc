"""SIGTERM at any moment: Snakemake's handler takes locks that the thread which it interrupts may hold."""

import threading
from collections.abc import Callable
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler


def attach() -> None:
    """Let a run end whenever SIGTERM comes; else one that just then writes down a finished job waits for itself."""
    JobScheduler.exit_gracefully = aside(JobScheduler.exit_gracefully)


def aside(handler: Callable[..., None]) -> Callable[..., None]:
    """Return a handler of signals that runs another in a thread of its own, which waits until the locks are free."""

    def handle(*arguments: Any) -> None:
        threading.Thread(target=handler, args=arguments, daemon=True).start()

    return handle
