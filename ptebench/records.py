"""The record beside every artefact: which one is of a file, and whether a file is still what its record says."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from ptebench.errors import NO_JSON, InputError
from ptebench.provenance import canonical, digest, file_digest

RECORD = "provenance.json"  # the name of a record, or how it ends
SEAL = "digest"  # the key, of everything else in a record


def seal(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as JSON has it, numbers that are none as null, with a digest of itself as its last key."""
    plain = json.loads(json.dumps(record), parse_constant=lambda _: None)
    return {**plain, SEAL: digest(canonical(plain))}


def is_whole(record: dict[str, Any]) -> bool:
    """Return whether a record is as its job wrote it; one of an earlier version, without a digest, passes."""
    rest = {key: value for key, value in record.items() if key != SEAL}
    return SEAL not in record or record[SEAL] == digest(canonical(rest))


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
def _digests(path: Path) -> dict[str, str]:
    """Return the digest of each file that a record is of, by the file's name; of no job's record, nothing."""
    return {Path(name).name: value for name, value in read_record(path).get("outputs", {}).items()}


def record_of(path: Path) -> Path | None:
    """Return the record that names a file as its own, None where there is none beside it."""
    likely = [path.with_name(f"{stem}{RECORD}") for stem in (f"{path.stem}.", "", f"{path.name}.")]
    for record in likely:
        if record.exists() and path.name in _digests(record):
            return record
    others = sorted(path.parent.glob(f"*{RECORD}"))
    return next((record for record in others if path.name in _digests(record)), None)


def check_digest(path: Path) -> str:
    """Return the sha256 of a file; raise InputError where the file or its record changed since a job wrote both."""
    value = file_digest(path)
    if path.name.endswith(RECORD):
        read_record(path)
    elif (record := record_of(path)) and _digests(record)[path.name] != value:
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
