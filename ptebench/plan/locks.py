"""Whose turn it is: Snakemake's locks of a folder, and the leases of results that several checkouts share.

Each run names its process beside the locks before it takes any. Where no run lives that has them, a killed run left
them behind, and they are taken away; where one lives on this machine and makes the same files, a second run waits.
"""

import atexit
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from snakemake.persistence.file import FilePersistence

from ptebench import leases
from ptebench.errors import InputError

FOLDER = Path(".snakemake")
RUNS = FOLDER / "runs"
RESULTS = Path("results")
LEASE = ".*.run.lease"  # of a run, in results: whose they are, where another checkout has them by a link
PAUSE = 1.0  # seconds between two looks


def begin(workflow: Any) -> None:
    """Name this run and wait for its turn; a dry run and a job of a run do nothing.

    Raises InputError where a run of another checkout has the results.
    """
    if workflow.exec_mode.name != "DEFAULT" or workflow.output_settings.dryrun:
        return
    free()
    take(RUNS / str(os.getpid()), leases.this_run())
    share()
    FilePersistence.locked = property(waiting(FilePersistence.locked.fget))
    FilePersistence._delete_locks = keeping(FilePersistence._delete_locks)


def free() -> None:
    """Take away locks that are of dead runs alone."""
    others = [file for file in RUNS.glob("*") if file.name != str(os.getpid())]
    locks = list((FOLDER / "locks").glob("*.lock"))
    if others and not any(is_alive(run_of(file)) for file in others):
        for file in [*locks, *others]:
            file.unlink(missing_ok=True)


def take(file: Path, text: str) -> None:
    """Write a file that is there as long as this run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    atexit.register(file.unlink, missing_ok=True)


def share() -> None:
    """Say whose results these are; raise InputError where a run of another checkout has them."""
    own = str(Path.cwd().resolve()).replace(" ", "%20")
    with suppress(OSError):  # where results cannot be written, the first job says so
        if RESULTS.is_dir():
            take(RESULTS / LEASE.replace("*", str(os.getpid())), f"{leases.this_run()} {own}")
    for lease in RESULTS.glob(LEASE):
        run, _, checkout = run_of(lease).rpartition(" ")
        if not is_alive(run):
            lease.unlink(missing_ok=True)
        elif checkout != own:
            place = checkout.replace("%20", " ")
            raise InputError(
                f"results: a run of another checkout, {place}, makes files in {RESULTS.resolve()}; wait for its end "
                f"or link other results here. Where it is surely gone, delete {lease}"
            )


def waiting(locked: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a function that says whether the files of a run are locked, as `locked` does, but waits for runs here.

    What is to be made was planned before: after a wait, the run begins again in its place.
    """

    def ask(persistence: Any) -> bool:
        line = ""
        while locked(persistence):
            free()
            others = [run_of(file) for file in RUNS.glob("*") if file.name != str(os.getpid())]
            here = sorted(run.partition(" ")[0] for run in others if is_alive(run) and run.endswith(leases.place()))
            if not here:
                return locked(persistence)
            if not line:
                line = f"waiting for a run in this folder that makes some of these files: process {', '.join(here)}"
                print(line, file=sys.stderr, flush=True)
                (RUNS / str(os.getpid())).unlink(missing_ok=True)  # who waits has no locks: nobody waits for it
            time.sleep(PAUSE)
        if line:
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        return False

    return ask


def keeping(delete: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a function that takes away the locks of a run, where `delete` takes those of all runs of the folder."""

    def delete_own(persistence: Any) -> None:
        if own := persistence._lockfile:
            for file in own.values():
                Path(file).unlink(missing_ok=True)
            own.clear()
        else:  # as `--unlock` asks
            delete(persistence)

    return delete_own


def run_of(file: Path) -> str:
    """Return what a file of a run says, nothing where it is gone."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def is_alive(run: str) -> bool:
    """Return whether a run, a process and its machine, may live: on another machine, nobody can tell."""
    process, _, where = run.partition(" ")
    return bool(run) and (where != leases.place() or not process.isdigit() or leases.is_alive(int(process)))
