"""Filters that turn a source's rows into interactions and items: days, ratings, duplicates, k-core, order."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from ptebench.data.parts import by_user, distinct, store
from ptebench.files import ITEMS, InputError
from ptebench.randomness import generator


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
    """Keep the days from `start` to `end`, both included; raise InputError where a row has no time."""
    if start is None and end is None:
        return frame
    if frame["timestamp"].null_count():
        raise InputError("start, end: the dataset has interactions without a timestamp; remove the date window")
    low = seconds(start) if start else -(2**62)
    high = seconds(date.fromisoformat(str(end)) + timedelta(days=1)) if end else 2**62
    return frame.filter(pl.col("timestamp").is_between(low, high, closed="left"))


def core(users: np.ndarray, items: np.ndarray, user_core: int, item_core: int, kind: str) -> np.ndarray:
    """Return the rows of the k-core: every user and item has at least its minimum of rows; ids are small integers.

    Two kinds stop early: `one_pass_compat` filters once by the counts of all rows (as SASRec's published data),
    `one_pass_users_compat` filters users once more by the rows that are left (as LLM-ESR's Yelp).
    """
    rows = np.arange(len(users), dtype=np.uint32)
    while True:
        keep = (np.bincount(users) >= user_core)[users] & (np.bincount(items) >= item_core)[items]
        if keep.all():
            return rows
        rows, users, items = rows[keep], users[keep], items[keep]
        if kind == "one_pass_compat":
            return rows
        if kind == "one_pass_users_compat":
            return rows[(np.bincount(users) >= user_core)[users]]


def apply_core(
    parts: list[pl.LazyFrame], user_core: int, item_core: int, kind: str = "iterative"
) -> Iterator[pl.DataFrame]:
    """Yield the parts, filtered by `core`."""

    def codes(column):
        kind = pl.Categorical(pl.Categories.random())  # codes from 0 that mean the same in all parts
        each = [part.select(pl.col(column).cast(kind)).collect().to_series() for part in parts]
        return np.concatenate([names.to_physical().to_numpy() for names in each])

    rows = core(codes("user_id"), codes("item_id"), user_core, item_core, kind)
    start = 0
    for part in parts:
        frame = part.collect()
        first, beyond = np.searchsorted(rows, [start, start + frame.height])
        yield frame[rows[first:beyond] - np.uint32(start)]
        start += frame.height


def sort_events(frame: pl.DataFrame, tie_break: str, seed: int, in_order: bool = False) -> pl.DataFrame:
    """Sort by user, then time (unknown first), then within one time by `tie_break`.

    `shuffle`: a seeded hash of the raw row; `file`: the raw order; `id`: the item's key. Of rows that are `in_order` in
    the file, one of unknown time stays with the one before it.
    """
    time = pl.col("timestamp")
    if in_order:
        time = time.forward_fill().over("user_id", order_by="row")
    keys = {
        "shuffle": pl.Series("key", mix(frame["row"].to_numpy(), seed)),
        "file": frame["row"].alias("key"),
        "id": frame["item_id"].alias("key"),
    }
    frame = frame.with_columns(keys[tie_break], time=time)
    return frame.sort("user_id", "time", "key", "row", nulls_last=False).drop("key", "time")


def height(parts: list[pl.LazyFrame]) -> int:
    """Return the number of rows of parts."""
    return sum(part.select(pl.len()).collect().item() for part in parts)


def sampled(parts: list[pl.LazyFrame], number: int | None, seed: int) -> tuple[list[pl.LazyFrame], dict[str, int]]:
    """Return the parts with `number` users drawn by `seed`, all where there are no more; and both counts."""
    names = distinct(parts, "user_id").sort()
    if number is None or len(names) <= number:
        return parts, {"users": len(names), "users_before_draw": len(names)}
    sample = names.gather(generator(seed, "users").permutation(len(names))[:number])
    parts = store(part.filter(pl.col("user_id").is_in(sample.implode())).collect() for part in parts)
    return parts, {"users": number, "users_before_draw": len(names)}


def prepare(interactions: list[pl.LazyFrame], settings: dict, place: str = "") -> tuple[list[pl.LazyFrame], dict]:
    """Return the filtered and sorted interactions, in parts, and the number of rows that each filter dropped.

    In order: date window, rating, duplicates (by time), k-core, draw of users. Raises InputError when nothing is left,
    naming the filter that took the last row, after the `place` of the dataset in the configuration.
    """
    rating, duplicates, cores = settings["min_rating"], settings["duplicates"], ("user_core", "item_core")
    steps = {
        "start, end": lambda f: window(f, settings["start"], settings["end"]),
        "min_rating": lambda f: f if rating is None else f.filter(pl.col("rating") >= rating),
        "duplicates": lambda f: f if duplicates == "keep" else f.unique(
            ["user_id", "item_id"], keep=duplicates, maintain_order=True
        ),
    }  # fmt: skip
    counts = dict.fromkeys(("read", *steps, ", ".join(cores), "users"), 0)

    def filter_parts():
        for frame in by_user(interactions):  # no step so far looks beyond a user
            in_order = settings.get("source") == "sequences"
            frame = sort_events(frame, settings["tie_break"], settings["tie_seed"], in_order)
            counts["read"] += frame.height
            for name, step in steps.items():
                frame = step(frame)
                counts[name] += frame.height
            yield frame

    parts = store(filter_parts())
    if counts["duplicates"] and max(settings[name] for name in cores) > 1:
        parts = store(apply_core(parts, settings["user_core"], settings["item_core"], settings["core"]))
    counts[", ".join(cores)] = height(parts)
    parts, people = sampled(parts, settings.get("users"), settings["tie_seed"])
    counts["users"] = height(parts)
    notes = {"interactions_read": counts["read"]}
    for (_, before), (name, after) in pairwise(counts.items()):
        notes[f"dropped_by_{name.replace(', ', '_')}"] = before - after
        if not after:
            raise InputError(
                f"{place}{name}: no interaction is left (of {counts['read']} read, {before} reached this filter); "
                "loosen the dataset's filters"
            )
    return parts, notes | people


def select_impressions(users: pl.Series, impressions: pl.DataFrame, settings: dict) -> pl.DataFrame:
    """Return the impressions of these users within the dataset's days, sorted by user and time."""
    rows = window(impressions, settings["start"], settings["end"]).filter(pl.col("user_id").is_in(users.implode()))
    return rows.sort("user_id", "timestamp", maintain_order=True)


def collect_items(
    items: pl.DataFrame, interactions: list[pl.LazyFrame], impressions: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, dict]:
    """Return the items of the interactions and impressions, sorted by item_id, and counts of the rows left out.

    An item without text gets an empty card. Texts of other items are dropped, and so are second and later rows of one
    item. Raises InputError where texts were read and no item has one.
    """
    item_ids = distinct(interactions, "item_id").to_frame()
    if impressions is not None:
        shown_items = impressions.select(item_id=pl.col("shown").explode().unique())
        item_ids = pl.concat([item_ids, shown_items]).unique()
    first = items.unique("item_id", keep="first", maintain_order=True)
    with_text = first.join(item_ids, on="item_id", how="semi")
    frame = item_ids.join(with_text, on="item_id", how="left").with_columns(
        pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String))), pl.col("card").fill_null("")
    )
    if items.height and not (frame["card"] != "").any():
        of_both = [", ".join(map(repr, side["item_id"].sort().head(3))) for side in (item_ids, first)]
        raise InputError(
            f"items: none of the {frame.height} items of the interactions (such as {of_both[0]}) has a text among the "
            f"{first.height} of the items file (such as {of_both[1]}); "
            + (
                "name its columns of text in item_columns"
                if with_text.height
                else "name the column with the interactions' ids as item_id in item_columns, or write both alike"
            )
        )
    notes = {
        "items": frame.height,
        "items_without_card": frame.filter(pl.col("card") == "").height,
        "texts_of_unknown_items": first.height - with_text.height,
        "duplicate_item_rows": items.height - first.height,
    }
    return frame.sort("item_id").select(*ITEMS), notes
