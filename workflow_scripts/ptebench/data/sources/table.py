"""Any table: CSV, TSV, Parquet or JSON lines whose columns the configuration names."""

from pathlib import Path

import polars as pl
from ptebench.data.items import none, read_items
from ptebench.data.raw import Malformed, table
from ptebench.files import INTERACTIONS, InputError

MILLISECONDS = 10**11  # a time in seconds as large as this lies beyond the year 5000


def read(paths: dict[str, list[Path]], settings: dict) -> tuple[pl.DataFrame, pl.DataFrame, dict]:
    """Return interactions, items and counts.

    Times are seconds since 1970 or text such as 2024-05-31 or 2024-05-31T12:00:00 (UTC). Columns for
    timestamp and rating may lack.
    """
    malformed = Malformed(settings["max_bad_rows"])
    path, columns = paths["interactions"][0], settings["columns"]
    if missing := {"user_id", "item_id"} - set(columns):
        raise InputError(f"columns: {sorted(missing)[0]} is not named; name the column of {path} that holds it")
    frame = table(path, list(columns.values()), malformed)
    kinds = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float64}
    values = [pl.col(columns[c]).cast(kind, strict=False).alias(c) for c, kind in kinds.items() if c in columns]
    if "timestamp" in columns:
        values.append(_seconds(frame[columns["timestamp"]], path).alias("timestamp"))
    text = pl.concat_str(pl.col(*columns.values()).cast(pl.String).fill_null(""), separator=",")
    frame = frame.select(*values, line="@line", text=text)
    if (bad := frame.filter(pl.any_horizontal(pl.col(*columns).is_null()))).height:
        malformed.add(path, bad, f"a value of the right type for each of {', '.join(columns.values())}")
        frame = frame.filter(pl.all_horizontal(pl.col(*columns).is_not_null()))
    interactions = (
        frame.with_row_index("row")
        .with_columns(pl.lit(None, kind).alias(c) for c, kind in INTERACTIONS.items() if c not in (*columns, "row"))
        .with_columns(pl.col("row").cast(pl.Int64))
        .select(*INTERACTIONS)
    )
    items = read_items(paths["items"][0], settings["item_columns"], malformed) if "items" in paths else none()
    return interactions, items, {"malformed_lines": malformed.count}


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
    return number.floor().cast(pl.Int64)
