"""Reading and writing of every file that the stages exchange (docs/guide/files.md lists them).

Writers are atomic: a temporary name in the same folder, fsync, rename; what a kill left under such a name, the next
writer of the file takes away. Readers check the contract and name the file, the column and the row at fault.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ptebench import leases
from ptebench.errors import NO_JSON, absence
from ptebench.errors import InputError as InputError

File = str | PathLike[str]
Contract = Mapping[str, Any]  # the type of each column, in their order
Array = np.ndarray[Any, np.dtype[np.int64]]

ids = pl.List(pl.Int32)
INTERACTIONS = {
    "user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64,
    "row": pl.Int64, "part": pl.String,
}  # fmt: skip
# what was shown to a user at once, and what of it was clicked
IMPRESSIONS = {
    "user_id": pl.String, "timestamp": pl.Int64, "shown": pl.List(pl.String), "clicked": pl.List(pl.String),
}  # fmt: skip
ITEMS: Contract = {
    "item_id": pl.String, "title": pl.String, "categories": pl.List(pl.String), "brand": pl.String,
    "description": pl.String, "card": pl.String,
}  # fmt: skip
VOCABULARY = {"side": pl.String, "id": pl.Int32, "raw": pl.String}
TRAIN = {"user": pl.Int32, "history": ids}
EVENTS = {"event": pl.Int32, "ranking": pl.String, "user": pl.Int32, "history": ids, "targets": ids}
CANDIDATES = {"ranking": pl.String, "item": pl.Int32}
OWN_CANDIDATES: Contract = {"events": ids, "items": ids}  # of a protocol whose events have candidates of their own
GROUPS = {"event": pl.Int32, "group": pl.String}
PROFILES = {
    "id": pl.Int32, "text": pl.String, "fields": pl.String, "prompt_sha256": pl.String, "generation": pl.String,
}  # fmt: skip
TEXT_VECTORS: Contract = {"text": pl.String, "vector": pl.List(pl.Float32)}
RANKS = {
    "event": pl.Int32, "ranking": pl.String, "user": pl.Int32, "target": pl.Int32, "rank": pl.Float64,
    "targets": pl.Int32, "candidates": pl.Int32,
}  # fmt: skip
# the best items of each event, as many as there are up to K; `pool`: how many a list of the ranking could hold
LISTS: Contract = {
    "event": pl.Int32, "ranking": pl.String, "user": pl.Int32, "items": ids, "scores": pl.List(pl.Float32),
    "pool": pl.Int32,
}  # fmt: skip
METRICS = {
    "dataset": pl.String, "protocol": pl.String, "backbone": pl.String, "representation": pl.String,
    "seed": pl.Int64, "ranking": pl.String, "group": pl.String, "metric": pl.String, "k": pl.Int64,
    "value": pl.Float64, "events": pl.Int64, "targets": pl.String, "text": pl.String, "width": pl.Int64,
    "parameters": pl.Int64,
}  # fmt: skip
LEAK = "saw held-out items"  # ends the text of METRICS whose writer did
NULLABLE = {
    "timestamp", "rating", "part", "title", "brand", "description", "fields", "generation", "published", "source",
    "remove_seen", "sd", "low", "high", "published_sd", "difference", "event_sd",
    "seed_sd", "lead", "lead_low", "lead_high", "d_z", "text", "null", "bound",
    "embedding_seconds", "embedding_cpu_seconds", "text_seconds", "text_cpu_seconds",
}  # fmt: skip


# what polars raises of a file that is damaged; its panic is no Exception
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError, OverflowError)
FULL = re.compile(r"no space left|storagefull|quota exceeded|os error 28\b", re.I)


@contextmanager
def atomic(path: File) -> Iterator[Path]:
    """Yield a temporary path beside `path` that becomes `path` when the block ends without an error.

    Raises InputError where the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    # the suffix stays last: writers choose the format by it
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        leases.check()
        os.replace(temporary, path)
    except Exception as error:
        if is_full(error):
            raise no_room(path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def aside(folder: File, name: str) -> Iterator[Path]:
    """Yield a new temporary folder within `folder`, which is removed when the block ends."""
    path = Path(folder) / name
    sweep(path)
    temporary = path.with_name(f".{os.getpid()}.{name}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(new: Path, folder: Path) -> None:
    """Put a new folder in the place of another; leases of jobs stay in it."""
    leases.check()
    for lease in folder.glob(".*.lease"):
        shutil.copyfile(lease, new / lease.name)
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def sweep(path: Path) -> None:
    """Remove what processes that were killed left of `path` under temporary names; a job is alone with its files."""
    names, this = re.compile(rf"\.(\d+)\.{re.escape(path.name)}"), os.getpid()
    try:
        entries = os.listdir(path.parent)
    except FileNotFoundError:
        return
    for name in entries:
        if (match := names.fullmatch(name)) and int(match[1]) != this:
            if leases.own or not leases.is_alive(int(match[1])):
                remove(path.with_name(name))


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; of what is not there, nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_full(error: BaseException) -> bool:
    """Return whether an error says that a disk, or what one may use of it, is full; each library has its own."""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or FULL.search(str(error)) is not None


def no_room(path: Path) -> InputError:
    """Return the error of a file that the disk has no room for."""
    free = shutil.disk_usage(path.parent).free
    return InputError(f"{path}: the disk is full ({free / 1e6:,.1f} MB free); make room there and run again")


def check(frame: pl.DataFrame, contract: Contract, where: object) -> pl.DataFrame:
    """Return `frame` with the columns of `contract` in its order; raise InputError where it does not fit."""
    if missing := [c for c in contract if c not in frame.columns]:
        raise InputError(f"{where}: column {missing[0]!r} is missing; expected {', '.join(contract)}")
    frame = frame.select(*contract)
    for column, kind in contract.items():
        if frame.schema[column] != kind:
            raise InputError(f"{where}: column {column!r} is {frame.schema[column]}, expected {kind}")
        if column not in NULLABLE and frame[column].null_count():
            row = int(frame[column].is_null().arg_true()[0])
            raise InputError(f"{where}: column {column!r}, row {row}: a value is missing")
    return frame


def read_table(path: File, contract: Contract, other: Contract | None = None) -> pl.DataFrame:
    """Read a parquet or CSV file and check it against its contract.

    With a second contract `other`, a file that has the first column of `other` is checked against it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: {absence(path)}")
    try:
        if path.suffix == ".csv":
            frame = pl.read_csv(path, schema_overrides=contract)
        else:
            frame = pl.read_parquet(path)
    except UNREADABLE as error:
        raise InputError(f"{path}: not readable as {path.suffix[1:]} ({error}); delete it and run again") from error
    return check(frame, other if other and next(iter(other)) in frame.columns else contract, path)


def write_table(frame: pl.DataFrame, path: File, contract: Contract) -> None:
    """Check a frame against its contract and write it as parquet or CSV, by the suffix of `path`."""
    frame = check(frame, contract, path)
    with atomic(path) as temporary:
        frame.write_csv(temporary) if Path(path).suffix == ".csv" else frame.write_parquet(temporary)


def copy(source: File, path: File) -> None:
    """Copy a file."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def write_text(text: str, path: File) -> None:
    """Write a text file in UTF-8."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(value: Any, path: File) -> None:
    """Write a JSON file, keys in the order given; NaN is refused."""
    write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path)


def read_json(path: File) -> Any:
    """Read a JSON file; raise InputError with line and column of a fault."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from error
    except NO_JSON as error:
        raise InputError(f"{path}: not JSON ({error})") from error


def write_jsonl(rows: Iterable[Any], path: File) -> None:
    """Write one JSON object per line."""
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_jsonl(path: File) -> list[Any]:
    """Read one JSON value per line; raise InputError with the line at fault."""
    rows = []
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    rows.append(json.loads(line))
                except NO_JSON as error:
                    raise InputError(f"{path}: line {number}: not JSON ({error})") from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason}); save it as UTF-8") from error
    return rows


def write_tensors(tensors: Mapping[str, Any], path: File, metadata: dict[str, str] | None = None) -> None:
    """Write torch tensors as safetensors; `metadata` values are strings."""
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        save_file({name: t.contiguous() for name, t in tensors.items()}, temporary, metadata=metadata)


def read_tensors(path: File) -> tuple[dict[str, Any], dict[str, str]]:
    """Read a safetensors file into torch tensors and its metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except SafetensorError as error:
        raise InputError(f"{path}: not readable as safetensors ({error}); delete it and run again") from error


def write_embeddings(vectors: Any, path: File, metadata: dict[str, str]) -> None:
    """Write vectors (n + 1, d) float32, row = dense id, row 0 zeros; raise InputError on NaN or infinity."""
    import torch

    vectors = torch.as_tensor(np.asarray(vectors, dtype=np.float32))
    if not torch.isfinite(vectors).all():
        row = int((~torch.isfinite(vectors)).any(1).nonzero()[0])
        raise InputError(f"{path}: vector {row} is not finite; check the encoder's input text")
    if vectors[0].any():
        raise InputError(f"{path}: row 0 stands for padding and must be zeros")
    write_tensors({"vectors": vectors}, path, metadata)


def read_embeddings(path: File, rows: int) -> Any:
    """Read the vectors (rows, d) of one side; raise InputError for other numbers of rows, and NaN."""
    tensors, _ = read_tensors(path)
    if "vectors" not in tensors or tensors["vectors"].shape[0] != rows:
        there = f"they are {len(tensors['vectors'])}, of other ids" if "vectors" in tensors else "there is none"
        raise InputError(
            f"{path}: expected a tensor 'vectors' with {rows} rows (padding and one per id), and {there}; delete the "
            "file and run again"
        )
    vectors = tensors["vectors"]
    if not (finite := vectors.isfinite().all(1)).all():
        row = int((~finite).nonzero()[0])
        raise InputError(f"{path}: row {row} is not finite; delete the file and run again, or use another encoder")
    return vectors


def read_vectors(path: File) -> Any:
    """Read the vectors of one side as NumPy's (n + 1, d), without torch."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)["vectors"]
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: expected a tensor 'vectors' ({error}); delete it and run again") from error


def ragged(lists: pl.Series) -> tuple[Array, Array]:
    """Return a column of lists as (values, offsets): row r is values[offsets[r]:offsets[r + 1]]."""
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum(lists.list.len().to_numpy(), out=offsets[1:])
    return lists.explode(empty_as_null=False).to_numpy().astype(np.int64), offsets
