"""The record beside every artefact: which one is of a file, and whether a file is still what its record says."""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ptebench.errors import NO_JSON, InputError
from ptebench.files import read_json
from ptebench.provenance import canonical, digest, file_digest, modules_digest

RECORD = "provenance.json"  # the name of a record, or how it ends
ABOVE = 2  # folders between a file and its record, at most: an adapter's is beside the rounds that it was chosen of
LEFT = re.compile(r"\.(\d+)\..+|\.former\..+|\..+\.lease")  # under such names a kill leaves files
SEAL = "digest"  # the key, of everything else in a record


def seal(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as JSON has it, numbers that are none as null, with a digest of itself as its last key."""
    plain = json.loads(json.dumps(record), parse_constant=lambda _: None)
    return {**plain, SEAL: digest(canonical(plain))}


def is_whole(record: dict[str, Any]) -> bool:
    """Return whether a record is as its job wrote it; one of an earlier version, without a digest, passes."""
    return SEAL not in record or is_sealed(record)


def is_sealed(record: dict[str, Any]) -> bool:
    """Return whether a record has the digest of everything else in it."""
    rest = {key: value for key, value in record.items() if key != SEAL}
    return SEAL in record and record[SEAL] == digest(canonical(rest))


def read_modules(file: Path) -> dict[str, str] | None:
    """Return the modules of the digest of code that names a file; None where they are not those, or not there."""
    try:
        modules = read_json(file)
    except InputError:
        return None
    return dict(modules) if modules_digest(modules) == file.stem else None


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; raise InputError where it is none, or is not as its job wrote it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        whole = isinstance(record, dict) and is_whole(record)
    except NO_JSON:
        whole = False
    if not whole:
        raise InputError(f"{path}: damaged, or edited since it was written; delete it with its files and run again")
    return dict(record)


@cache
def _outputs(record: Path) -> dict[str, str]:
    """Return the digest of each file that a record is of, by the file's place; of no job's record, nothing."""
    return dict(read_record(record).get("outputs", {}))


def _digest(record: Path, path: Path) -> str | None:
    """Return the digest that a record beside or above a file has of it, None where it has none."""
    place = f"/{path.relative_to(record.parent).as_posix()}"
    of_file = [name for name in _outputs(record) if f"/{name}".endswith(place)]
    return _outputs(record)[min(of_file, key=len)] if of_file else None


def record_of(path: Path) -> Path | None:
    """Return the record that names a file as its own, None where there is none beside it or up to ABOVE folders up."""
    beside = [path.with_name(f"{stem}{RECORD}") for stem in (f"{path.stem}.", "", f"{path.name}.")]
    above = (record for folder in path.parents[: ABOVE + 1] for record in sorted(folder.glob(f"*{RECORD}")))
    records = (record for records in (beside, above) for record in records)
    return next((record for record in records if record.exists() and _digest(record, path) is not None), None)


def check_digest(path: Path) -> str:
    """Return the sha256 of a file; raise InputError where the file or its record changed since a job wrote both."""
    value = file_digest(path)
    if path.name.endswith(RECORD):
        read_record(path)
    elif (record := record_of(path)) and _digest(record, path) != value:
        raise InputError(
            f"{path}: not the bytes that {record} says its job wrote: damaged, or changed by hand; "
            "delete it and run again, and it is made anew"
        )
    return value


def check_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the sha256 of files, each checked; raise InputError for one that is not there."""
    digests = {}
    for path in dict.fromkeys(paths):
        if not path.exists():
            raise InputError(f"{path}: no such file; check the path in the configuration")
        digests[path] = check_digest(path)
    return digests
