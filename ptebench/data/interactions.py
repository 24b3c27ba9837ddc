"""INTERACTIONS frames from a source's columns: checks of values, and defaults for missing columns."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import polars as pl

from ptebench.data.parts import store
from ptebench.files import INTERACTIONS, InputError
from ptebench.raw.columns import ids, present
from ptebench.raw.lines import Malformed
from ptebench.raw.tables import table_blocks

MILLISECONDS = 10**11  # a time in seconds as large as this lies beyond the year 5000
DAY = r"^(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\.0+)?$"  # eight digits: a day, no seconds
MOMENT = (
    r"^(\d{4}[-/]\d\d?[-/]\d\d?)"
    r"(?:[Tt ]\s*(\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?\s*(?:[Zz]|UTC|GMT|([+-]\d\d):?(\d\d)?)?)?$"
)
SOUND = (
    (pl.col("user_id") != "")
    & (pl.col("item_id") != "")
    & pl.col("rating").is_finite()
    & pl.col("timestamp").is_between(0, MILLISECONDS, closed="left")
)


def complete(frames: Iterable[pl.DataFrame]) -> list[pl.LazyFrame]:
    """Return the parts (see data.parts) of INTERACTIONS from frames with user_id and item_id, in the file's order.

    `row` is the place in the file; other missing columns are null.
    """

    def number_rows():
        start = 0
        for frame in frames:
            absent = [
                pl.lit(None, kind).alias(name) for name, kind in INTERACTIONS.items() if name not in frame.columns
            ]
            row = pl.int_range(start, start + pl.len(), dtype=pl.Int64).alias("row")
            yield frame.with_columns(absent).with_columns(row).select(*INTERACTIONS)
            start += frame.height

    return store(number_rows())


def read_interactions(
    path: Path, columns: dict[str, str], malformed: Malformed, may_lack: Collection[str] = ()
) -> list[pl.LazyFrame]:
    """Read a table (see raw.tables) into parts of INTERACTIONS; `columns` names the file's column for ours.

    Times are seconds since 1970 or text such as 2024-05-31 or 2024-05-31T12:00:00Z (`moment`). Of `columns` those in
    `may_lack` are read where they are there.
    """
    return complete(_read(path, columns, malformed, may_lack))


def _read(path, columns, malformed, may_lack) -> Iterator[pl.DataFrame]:
    required = [theirs for ours, theirs in columns.items() if ours not in may_lack]
    for block in table_blocks(path, required, malformed, [columns[ours] for ours in may_lack]):
        there = {ours: theirs for ours, theirs in columns.items() if theirs in block.columns}
        block = block.select(pl.col(theirs).alias(ours) for ours, theirs in {**there, "line": "@line"}.items())
        for ours, theirs in there.items():
            expected, value = _value(block[ours], ours, f"{path}: column {theirs!r}")
            text = pl.col(ours).cast(pl.String, strict=False).fill_null("")
            block = block.with_columns(value.alias(ours), text=text)
            block = malformed.keep(path, block, pl.col(ours).is_not_null(), f"{expected} as {theirs}")
        yield block.select(*there)


def _value(column: pl.Series, ours: str, place: str) -> tuple[str, pl.Series]:
    """Return the expected type of a column in words, and its values, null where they are not of that type."""
    kind = column.dtype
    values: Callable[[pl.Series, str], pl.Series]
    if ours == "timestamp":
        sound = kind == pl.String or kind.is_numeric() or kind == pl.Date or kind == pl.Datetime or kind == pl.Null
        expected, values = "a time, 1717156800 (seconds since 1970) or 2024-05-31T12:00:00Z,", _seconds
    elif ours == "rating":
        sound = kind == pl.String or kind.is_numeric() or kind == pl.Null
        expected, values = "a finite number such as 4.5 (a point, no separators)", _number
    else:
        sound = not kind.is_nested() and kind not in (pl.Duration, pl.Time, pl.Object)
        expected, values = "an id (a number with all its digits)", lambda column, place: _apply(column, ids)
    if not sound:
        raise InputError(f"{place} holds {kind}; expected {expected.rstrip(',')} in each row: convert the column")
    return expected, values(column, place)


def _apply(column: pl.Series, function) -> pl.Series:
    return column.to_frame().select(function(pl.col(column.name))).to_series()


def _number(column: pl.Series, place: str = "") -> pl.Series:
    """Return finite numbers, null elsewhere."""
    if column.dtype == pl.String:
        column = _apply(column, present)
    number = column.cast(pl.Float64, strict=False)
    return _apply(number, lambda value: pl.when(value.is_finite()).then(value))


def moment(text: pl.Expr) -> pl.Expr:
    """Return seconds since 1970 of text such as 2024-05-31 (UTC) or 2024-05-31T12:00:00.5+02:00."""
    part = text.str.strip_chars().str.extract_groups(MOMENT).struct
    day, clock = part[0].str.replace_all("/", "-"), part[1].fill_null("00:00")
    clock = pl.when(clock.str.len_chars() == 5).then(clock + ":00").otherwise(clock)
    time = (day + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="ms").dt.epoch("s")
    minutes = part[2].cast(pl.Int64).abs() * 60 + part[3].cast(pl.Int64).fill_null(0)
    ahead = pl.when(part[2].str.starts_with("-")).then(-minutes).otherwise(minutes)
    return time - 60 * ahead.fill_null(0)


def _seconds(column: pl.Series, place: str) -> pl.Series:
    """Return times as whole seconds, null where one cannot be read; raise InputError on days in eight digits and ms."""
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("ms"))
    if column.dtype == pl.Datetime:
        return column.dt.epoch("s")
    number = _number(column)
    digits = column.cast(pl.String).drop_nulls()
    if len(digits) and digits.str.contains(DAY).all():
        raise InputError(f"{place} holds {digits[0]}; expected seconds since 1970, or days as 2024-05-31")
    if (largest := number.to_frame().select(pl.max(number.name)).item() or 0) >= MILLISECONDS:
        raise InputError(f"{place} holds {largest:.0f}; expected seconds: divide milliseconds by 1000")
    whole = number.floor().cast(pl.Int64, strict=False)
    if column.dtype != pl.String or whole.null_count() == column.null_count():
        return whole
    return pl.select(pl.coalesce(whole, moment(pl.lit(column)))).to_series()
