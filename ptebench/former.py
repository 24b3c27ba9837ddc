"""What a job made last time, set aside while it may turn out that it would be made again to the byte.

Snakemake removes the files of a job before it runs, and runs it where a job before it ran, whatever that wrote. A run
links such files to a hidden name when it begins; the job puts them back where its command and its inputs are the same.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ptebench import leases
from ptebench.errors import InputError
from ptebench.provenance import file_digest
from ptebench.records import read_record


def hidden(path: Path) -> Path:
    """Return the name under which a file is set aside."""
    return path.with_name(f".former.{path.name}")


def set_aside(paths: Iterable[Path]) -> None:
    """Link the files of a job, where all are there; where the file system has no links, nothing is set aside."""
    files = list(paths)
    if all(path.is_file() for path in files):
        with suppress(OSError):
            for path in files:
                hidden(path).unlink(missing_ok=True)
                os.link(path, hidden(path))


def put_back(paths: Iterable[Path], record: Path, command: str, inputs: dict[str, str]) -> bool:
    """Put the files of a job and its record back; return whether they are of this very command and these inputs.

    inputs: the sha256 of each.
    """
    files = list(paths)
    try:
        former = read_record(hidden(record))
        outputs = {str(path): file_digest(hidden(path)) for path in files}
    except (OSError, InputError):
        return False
    if (former.get("command"), former.get("inputs"), former.get("outputs")) != (command, inputs, outputs):
        return False
    for path in [*files, record]:
        leases.check()
        os.utime(hidden(path))
        os.replace(hidden(path), path)
    return True


def forget(paths: Iterable[Path]) -> None:
    """Remove what was set aside of files."""
    for path in paths:
        with suppress(OSError):
            hidden(path).unlink(missing_ok=True)
