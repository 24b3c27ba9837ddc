"""Interactions as INTERACTIONS frames: what makes a row sound, and the columns that a source does not give."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import polars as pl

from ptebench.data.parts import stored
from ptebench.data.raw import Malformed, table_blocks
from ptebench.files import INTERACTIONS, InputError

MILLISECONDS = 10**11  # a time in seconds as large as this lies beyond the year 5000
SOUND = (
    (pl.col("user_id") != "")
    & (pl.col("item_id") != "")
    & pl.col("rating").is_finite()
    & pl.col("timestamp").is_between(0, MILLISECONDS, closed="left")
)


def complete(frames: Iterable[pl.DataFrame]) -> list[pl.LazyFrame]:
    """Return the parts (see data.parts) of INTERACTIONS from frames in the file's order with user_id and item_id.

    `row` is the place in the file; other columns that lack are null.
    """

    def numbered():
        start = 0
        for frame in frames:
            absent = [
                pl.lit(None, kind).alias(name) for name, kind in INTERACTIONS.items() if name not in frame.columns
            ]
            row = pl.int_range(start, start + pl.len(), dtype=pl.Int64).alias("row")
            yield frame.with_columns(absent).with_columns(row).select(*INTERACTIONS)
            start += frame.height

    return stored(numbered())


def read_interactions(
    path: Path, columns: dict[str, str], malformed: Malformed, may_lack: Collection[str] = ()
) -> list[pl.LazyFrame]:
    """Read a table (see raw.table_blocks) into parts of INTERACTIONS; `columns` names the file's column for ours.

    Times are seconds since 1970 or text such as 2024-05-31 or 2024-05-31T12:00:00 (UTC). Of `columns` those in
    `may_lack` are read where they are there.
    """
    return complete(_read(path, columns, malformed, may_lack))


def _read(path, columns, malformed, may_lack) -> Iterator[pl.DataFrame]:
    required = [theirs for ours, theirs in columns.items() if ours not in may_lack]
    for block in table_blocks(path, required, malformed, [columns[ours] for ours in may_lack]):
        there = {ours: theirs for ours, theirs in columns.items() if theirs in block.columns}
        kinds = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float64}
        values = [pl.col(there[c]).cast(kind, strict=False).alias(c) for c, kind in kinds.items() if c in there]
        if "timestamp" in there:
            values.append(_seconds(block[there["timestamp"]], path).alias("timestamp"))
        text = pl.concat_str(pl.col(*there.values()).cast(pl.String).fill_null(""), separator=",")
        whole = pl.all_horizontal(pl.col(*there).is_not_null())
        if "rating" in there:
            whole &= pl.col("rating").is_finite()
        expected = f"a value of the right type for each of {', '.join(there.values())}"
        block = block.select(*values, line="@line", text=text)
        yield malformed.keep(path, block, whole, expected).drop("line", "text")


def _seconds(column: pl.Series, path: Path) -> pl.Series:
    """Return times as whole seconds, null where one cannot be read; raise InputError on milliseconds."""
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("ms")).dt.epoch("s")
    number = column.cast(pl.Float64, strict=False)
    if column.dtype == pl.String and number.null_count() > column.null_count():
        text = column.str.replace("T", " ", literal=True)
        formats = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
        times = pl.select(pl.coalesce(text.str.to_datetime(f, strict=False, time_unit="ms") for f in formats))
        return times.to_series().dt.epoch("s")
    if (number.max() or 0) >= MILLISECONDS:
        raise InputError(
            f"{path}: {column.name} holds {number.max():.0f}; expected seconds: divide milliseconds by 1000"
        )
    return number.floor().cast(pl.Int64, strict=False)
