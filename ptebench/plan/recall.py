"""Where Snakemake has lost what it knew of a file, the record beside the file tells it: settings, code and inputs.

Without `.snakemake` a change of the configuration would pass unseen, and old tables as new ones.
"""

import os
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord, PersistenceBase

from ptebench import former
from ptebench.errors import InputError
from ptebench.plan.command import inputs_of
from ptebench.plan.preview import NEW, why
from ptebench.records import RECORD, read_record
from ptebench.verify import PLAN


def attach() -> None:
    """Let Snakemake ask our records where its own are gone; for `verify`, ask them alone."""
    own, alone, records = PersistenceBase.metadata, PLAN in os.environ, Recorder()

    def metadata(self: Any, target: Any) -> MetadataRecord | None:
        return (None if alone else own(self, target)) or recall(records.of(self.dag, str(target)))

    PersistenceBase.metadata = metadata


class Recorder:
    """The record of every file that a job of Snakemake makes."""

    def __init__(self) -> None:
        self.records: dict[str, Path] = {}

    def of(self, dag: Any, file: str) -> Path | None:
        """Return the record of a file, None where no job of the plan makes it."""
        if file not in self.records:
            for job in dag.jobs:
                record = next((Path(path) for path in job.output if path.endswith(RECORD)), None)
                self.records |= {str(path): record for path in job.output if record}
        return self.records.get(file)


def recall(record: Path | None) -> MetadataRecord | None:
    """Return what Snakemake would know of the files of a record; None where there is none, or a damaged one."""
    try:
        return metadata_of(record) if record and record.exists() else None
    except InputError:
        return None


@cache
def metadata_of(path: Path) -> MetadataRecord | None:
    """Return a record as Snakemake keeps it; None of one that has no command."""
    record = read_record(path)
    if "command" not in record:
        return None
    words = shlex.split(record["command"])
    options = {word: words[place + 1] for place, word in enumerate(words[:-1]) if word in ("-m", "--spec", "--code")}
    params = [options["-m"].partition(".")[2], options["--spec"], options["--code"]]
    return MetadataRecord(
        record_format_version=RECORD_FORMAT_VERSION,
        incomplete=False,
        input=sorted(path for paths in inputs_of(words).values() for path in paths),
        params=sorted(map(repr, params)),
        input_checksums={name: f"sha256:{value}" for name, value in record["inputs"].items()},
    )


def set_aside(workflow: Any) -> None:
    """Set aside the files of jobs that run only because a job before them does: they may come out the same."""
    for job in workflow.dag.needrun_jobs():
        reason = workflow.dag.reason(job)
        other = reason.forced or reason.is_provenance_triggered() or reason.missing_output or reason.incomplete_output
        if job.output and not other:
            former.set_aside(Path(file) for file in job.output)


def stale(workflow: Any) -> Iterator[tuple[str, str]]:
    """Yield the first file of each job that would be made anew, and why."""
    for job in sorted(workflow.dag.needrun_jobs(), key=lambda job: str(next(iter(job.output), ""))):
        reason = why(workflow, job)
        if job.output and all(Path(file).exists() for file in job.output) and reason != NEW:
            yield str(job.output[0]), reason or "made from what is stale"
