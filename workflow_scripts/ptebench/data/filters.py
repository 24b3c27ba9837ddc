"""From what a source read to interactions and items: filters, k-core, the order of events."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
from ptebench.files import INTERACTIONS, ITEMS, InputError


def seconds(day: str | date) -> int:
    """Return the first second (UTC) of a day given as a date or YYYY-MM-DD."""
    day = date.fromisoformat(str(day))
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def mix(values: np.ndarray, seed: int) -> np.ndarray:
    """Return a 64-bit hash (splitmix64) per integer: the same on every machine and for every subset of rows."""
    with np.errstate(over="ignore"):
        x = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15) * np.uint64(2 * seed + 1)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def window(frame: pl.DataFrame, start, end) -> pl.DataFrame:
    """Keep the days from `start` to `end`, both included; raise InputError where a time is needed and unknown."""
    if start is None and end is None:
        return frame
    if frame["timestamp"].null_count():
        raise InputError("start, end: the dataset has interactions without a timestamp; remove the date window")
    low = seconds(start) if start else -(2**62)
    high = seconds(date.fromisoformat(str(end)) + timedelta(days=1)) if end else 2**62
    return frame.filter(pl.col("timestamp").is_between(low, high, closed="left"))


def core(frame: pl.DataFrame, user_core: int, item_core: int) -> pl.DataFrame:
    """Drop users and items with fewer interactions than asked for until none is left to drop."""
    if max(user_core, item_core) <= 1 or frame.is_empty():
        return frame
    users, items = (frame[c].rank("dense").to_numpy().astype(np.int64) - 1 for c in ("user_id", "item_id"))
    alive = np.arange(frame.height)
    while True:
        u, i = users[alive], items[alive]
        keep = (np.bincount(u)[u] >= user_core) & (np.bincount(i)[i] >= item_core) if len(alive) else alive
        if len(alive) == 0 or keep.all():
            return frame[alive]
        alive = alive[keep]


def ordered(frame: pl.DataFrame, tie_break: str, seed: int) -> pl.DataFrame:
    """Sort by user, then time (unknown first), then within one time by `tie_break`.

    `shuffle`: a seeded hash of the raw row; `file`: the raw order; `id`: the item's key.
    """
    keys = {
        "shuffle": pl.Series("key", mix(frame["row"].to_numpy(), seed)),
        "file": frame["row"].alias("key"),
        "id": frame["item_id"].alias("key"),
    }
    return frame.with_columns(keys[tie_break]).sort("user_id", "timestamp", "key", "row", nulls_last=False).drop("key")


def prepare(interactions: pl.DataFrame, settings: dict) -> tuple[pl.DataFrame, dict]:
    """Return the filtered interactions in order of events, and how many each filter dropped.

    In order: date window, rating, duplicates (by time), k-core. Raises InputError when nothing is left,
    naming the filter that took the last row.
    """
    frame = ordered(interactions.select(*INTERACTIONS), settings["tie_break"], settings["tie_seed"])
    notes = {"interactions_read": frame.height}
    rating = settings["min_rating"]
    duplicates = settings["duplicates"]
    steps = {
        "start, end": lambda f: window(f, settings["start"], settings["end"]),
        "min_rating": lambda f: f if rating is None else f.filter(pl.col("rating") >= rating),
        "duplicates": lambda f: f if duplicates == "keep" else f.unique(
            ["user_id", "item_id"], keep=duplicates, maintain_order=True
        ),
        "user_core, item_core": lambda f: core(f, settings["user_core"], settings["item_core"]),
    }  # fmt: skip
    for name, step in steps.items():
        before = frame.height
        frame = step(frame)
        notes[f"dropped_by_{name.replace(', ', '_')}"] = before - frame.height
        if frame.is_empty():
            raise InputError(
                f"{name}: no interaction is left (of {notes['interactions_read']} read, {before} reached this "
                "filter); loosen the dataset's filters"
            )
    return frame, notes


def catalogue(items: pl.DataFrame, interactions: pl.DataFrame) -> tuple[pl.DataFrame, dict]:
    """Return exactly the items of the interactions, sorted by item_id, and what was set aside.

    An item without text gets an empty card; texts of items that nobody interacted with are ignored and counted,
    and so are further rows of one item (the first counts).
    """
    wanted = interactions.select(pl.col("item_id").unique())
    first = items.unique("item_id", keep="first", maintain_order=True)
    known = first.join(wanted, on="item_id", how="semi")
    frame = wanted.join(known, on="item_id", how="left").with_columns(
        pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String))), pl.col("card").fill_null("")
    )
    notes = {
        "items": frame.height,
        "items_without_card": frame.filter(pl.col("card") == "").height,
        "texts_of_unknown_items": first.height - known.height,
        "duplicate_item_rows": items.height - first.height,
    }
    return frame.sort("item_id").select(*ITEMS), notes
