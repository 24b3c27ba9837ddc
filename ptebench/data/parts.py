"""Frames larger than memory, as lists of parts: one part stays in memory, several go to temporary Parquet files."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from ptebench.files import atomic, check, write_table

PART = 8_000_000  # rows; a part of interactions, its sorted copy and strings take some 2 GB
_folders: list[tempfile.TemporaryDirectory] = []  # a folder goes when the process ends


def store(frames: Iterable[pl.DataFrame]) -> list[pl.LazyFrame]:
    """Return frames concatenated, in order, to parts of at least PART rows; the last may be smaller."""
    parts, pending, rows = [], [], 0
    for frame in frames:
        pending.append(frame)
        rows += frame.height
        if rows >= PART:
            parts.append(_on_disk(pl.concat(pending)))
            pending, rows = [], 0
    if pending and parts:
        parts.append(_on_disk(pl.concat(pending)))
    return parts or [pl.concat(pending).lazy()]


def _on_disk(frame: pl.DataFrame) -> pl.LazyFrame:
    _folders.append(tempfile.TemporaryDirectory(prefix="ptebench-"))
    path = Path(_folders[-1].name) / "part.parquet"
    frame.write_parquet(path, compression="lz4")
    return pl.scan_parquet(path)


def by_user(parts: list[pl.LazyFrame]) -> Iterator[pl.DataFrame]:
    """Yield frames of whole users, about PART rows each, users in the order of their names."""
    if len(parts) == 1:
        yield parts[0].collect()
        return
    frame, user = pl.concat(parts), pl.col("user_id")
    counts = frame.group_by("user_id").len().sort("user_id").collect(engine="streaming")
    before = (pl.col("len").cum_sum() - pl.col("len")).alias("part") // PART
    ranges = counts.with_columns(before).group_by("part").agg(first=user.first(), last=user.last()).sort("part")
    for first, last in ranges.select("first", "last").rows():
        yield frame.filter(user.is_between(pl.lit(first), pl.lit(last))).collect()


def distinct(parts: list[pl.LazyFrame], column: str) -> pl.Series:
    """Return the distinct values of a column, in no order."""
    return pl.concat(parts).select(pl.col(column).unique()).collect(engine="streaming").to_series()


def write_parts(parts: list[pl.LazyFrame], path: Path, contract: dict) -> None:
    """Check parts against their contract and write them to one Parquet file."""
    if len(parts) == 1:
        write_table(parts[0].collect(), path, contract)
        return
    for part in parts:
        check(part.collect(), contract, path)
    with atomic(path) as temporary:
        pl.concat(parts).select(*contract).sink_parquet(temporary, row_group_size=PART // 8)
