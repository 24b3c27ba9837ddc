"""SIGTERM at any moment: the first one lets running jobs end, the second one ends them.

Snakemake's handler takes locks that the thread which it interrupts may hold.
"""

import signal
import threading
from collections.abc import Callable
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler


def attach() -> None:
    """Let a run end whenever SIGTERM comes; else one that just then writes down a finished job waits for itself."""
    JobScheduler.exit_gracefully = aside(JobScheduler.exit_gracefully)


def aside(handler: Callable[..., None]) -> Callable[..., None]:
    """Return a handler that runs another in a thread, which waits until locks are free; a second time it is Ctrl-C."""
    earlier = list[Any]()

    def handle(*arguments: Any) -> None:
        if earlier:
            signal.raise_signal(signal.SIGINT)
        earlier.append(arguments)
        threading.Thread(target=handler, args=arguments, daemon=True).start()

    return handle
