"""Remake what a record tells of, in a folder aside, and compare the bytes: one cell, one table, any artefact.

python -m ptebench.redo results/cells/shop/cold_start_user/sasrec/pte/seed=0
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from ptebench.errors import InputError
from ptebench.files import read_json
from ptebench.provenance import REPOSITORY, checkout, file_digest, processor
from ptebench.records import RECORD

CLOCKED = "training.csv"  # has a column of seconds, which no two runs share


def records(places: Iterable[Path]) -> list[tuple[Path, dict[str, Any]]]:
    """Return the records of folders and files, in the order in which they were made; raise InputError for none."""
    paths = []
    for place in places:
        if place.is_file() and not place.name.endswith(RECORD):
            raise InputError(f"{place}: no record; name the one that stands beside it, or their folder")
        files = sorted(place.glob(f"*{RECORD}")) if place.is_dir() else [place]
        if not files or not place.exists():
            raise InputError(f"{place}: no record there; give a folder with a provenance.json, or such a file")
        paths += files
    read = [(path, read_json(path)) for path in paths]
    for path, record in read:
        if "command" not in record:
            raise InputError(f"{path}: this record has no command; it is of an earlier version, or of a download")
        if "endpoint" in record["spec"]:
            raise InputError(f"{path}: made by a language model at an endpoint, which would be asked and paid again")
    return sorted(read, key=lambda item: item[1]["started"])


def check_inputs(path: Path, record: dict[str, Any]) -> None:
    """Raise InputError for the first input that is not what it was."""
    for name, digest in record["inputs"].items():
        if not Path(name).is_file():
            raise InputError(f"{path}: its input {name} is not there; run it where results/ is, in a full run's folder")
        if file_digest(Path(name)) != digest:
            raise InputError(f"{path}: its input {name} has changed since; other bytes are to be expected")


def redirected(words: list[str], folder: Path) -> list[str]:
    """Return the words of a job's command with its outputs and its record below a folder."""
    words = list(words)
    for place, word in enumerate(words):
        if word in ("--output", "--provenance"):
            at = place + (2 if word == "--output" else 1)
            target = folder / words[at].lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            words[at] = str(target)
    return words


def remake(record: dict[str, Any], folder: Path) -> None:
    """Run the command of a record with this Python and this checkout, its outputs below `folder`."""
    _, *words = shlex.split(record["command"])
    threads = str(record["threads"])
    variables = {
        "PYTHONPATH": str(REPOSITORY / "imports"), "OMP_NUM_THREADS": threads, "POLARS_MAX_THREADS": threads
    }  # fmt: skip
    done = subprocess.run([sys.executable, *redirected(words, folder)], env=os.environ | variables)
    if done.returncode:
        raise InputError(f"{shlex.join(words[:2])}: the command failed, see above")


def same(name: str, digest: str, copy: Path) -> bool:
    """Return whether a file has the bytes of its record; of a training curve, all but the seconds."""
    if file_digest(copy) == digest:
        return True
    if copy.name != CLOCKED or not Path(name).is_file() or file_digest(Path(name)) != digest:
        return False
    return pl.read_csv(name).drop("seconds").equals(pl.read_csv(copy).drop("seconds"))


def circumstances(record: dict[str, Any]) -> list[str]:
    """Return what is other here than when a record was made: code, its commit, processor."""
    commit, here = record["checkout"] or {}, checkout() or {}
    pairs = (("commit", commit.get("commit"), here.get("commit")), ("processor", record["processor"], processor()))
    lines = [f"  {name}: then {before}, now {now}" for name, before, now in pairs if before != now]
    if commit.get("clean") is False:
        lines.append("  the code had changes then that are in no commit")
    return lines


def redo(places: Iterable[Path], folder: Path) -> bool:
    """Remake below `folder` what records tell of, print of each file whether its bytes are the same, return if all."""
    equal = True
    for path, record in records(places):
        check_inputs(path, record)
        remake(record, folder)
        for name, digest in record["outputs"].items():
            alike = same(name, digest, folder / name.lstrip("/"))
            equal &= alike
            print(f"{name}: {'the same bytes' if alike else 'other bytes'}", flush=True)
        if not equal:
            print("\n".join(circumstances(record) or ["  by the same commit on the same kind of processor"]))
    return equal


def main() -> None:
    """Read the command line; exit with 1 where bytes differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("places", nargs="+", type=Path, metavar="FOLDER", help="of artefacts, or a record")
    parser.add_argument("--into", type=Path, help="keep what is made in this folder; by default it is removed")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="redo-") as folder:
            sys.exit(0 if redo(options.places, options.into or Path(folder)) else 1)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
