"""Snakemake's locks of a folder, which a killed run leaves behind: taken away where no run lives that has them.

Each run names its process beside the locks before it takes any. Where one on another machine is named, its locks stay.
"""

import atexit
import os
from pathlib import Path
from typing import Any

from ptebench import leases

FOLDER = Path(".snakemake")
RUNS = FOLDER / "runs"


def free(workflow: Any) -> None:
    """Name this run, and take away locks that are of dead runs alone; a dry run and a job of a run do nothing."""
    if workflow.exec_mode.name != "DEFAULT" or workflow.output_settings.dryrun:
        return
    others = list(RUNS.glob("*")) if RUNS.is_dir() else []
    locks = list((FOLDER / "locks").glob("*.lock"))
    if others and not any(map(is_alive, others)):
        for file in [*locks, *others]:
            file.unlink(missing_ok=True)
    RUNS.mkdir(parents=True, exist_ok=True)
    own = RUNS / str(os.getpid())
    own.write_text(leases.this_run())
    atexit.register(own.unlink, missing_ok=True)


def is_alive(run: Path) -> bool:
    """Return whether the run of this name may live: on another machine, nobody can tell."""
    try:
        process, _, where = run.read_text().partition(" ")
    except FileNotFoundError:
        return False
    return where != leases.place() or not process.isdigit() or leases.is_alive(int(process))
