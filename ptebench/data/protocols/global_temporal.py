"""Global temporal: one timeline for all users; train, validation and the test windows follow one another."""

import polars as pl

from ptebench.data.splits import (
    candidates,
    drop_repeats,
    encode,
    events,
    groups,
    histories,
    latest,
    repeats,
    require,
    train,
    vocabulary,
    windows,
)  # fmt: skip
from ptebench.files import InputError


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    Interactions before the first cut are divided by time: the latest share `valid` validates, the rest trains. A test
    window reaches from one cut to the next, the last one to `end`. A user with interactions before and within a window
    has one event there: the history is everything before the window, the target the first item within. A single window
    is the ranking `full`; several are the rankings `window_{n}`, all of the same model. The candidates of a ranking are
    the items that occur before its window's end. With `remove_seen`, targets that are in the history give no event
    (`drop_repeats`).
    """
    if interactions["timestamp"].null_count():
        raise InputError("global_temporal: the dataset has interactions without a timestamp; use another protocol")
    words = vocabulary(interactions)
    encoded, tests = encode(interactions, words), windows(settings)
    time, cut = pl.col("timestamp"), tests[0][1]
    before = encoded.filter(time < cut)
    number = round(settings["valid"] * before.height)
    require(before.head(number), "no interaction before the first cut validates", "raise valid, or move the cuts")
    start = before.filter(latest(before, number)).select(pl.min("timestamp")).item()
    first = {name: _next(encoded, name, *span) for name, *span in [("validation", start, cut), *tests]}
    for name, frame in first.items():
        require(frame, f"no user with interactions before and within {name}", "move the cuts, or drop one")
    events_of = {name: drop_repeats(frame, settings, name) for name, frame in first.items()}
    ends = {"validation": cut} | {name: end for name, _, end in tests}
    items_of = {name: encoded.filter(time < end)["item"].unique().sort().to_numpy() for name, end in ends.items()}
    repeat_counts = repeats(**{name: (first[name], events_of[name]) for name in first})
    valid = events_of.pop("validation")
    parts = {
        "vocabulary": words,
        "train": train(histories(encoded.filter(time < start))),
        "valid": events(valid),
        "test": events(*events_of.values()),
        "candidates": candidates(**items_of),
        "repeats": repeat_counts.with_columns(
            part=pl.when(part="validation").then(pl.lit("valid")).otherwise(pl.lit("test"))
        ),
    }
    return parts | {"groups": groups(parts, pl.concat([frame["tied"] for frame in events_of.values()]))}


def _next(encoded: pl.DataFrame, ranking: str, start: int, end: int) -> pl.DataFrame:
    """Return an event per user: the first item from `start` to before `end`, after all items before `start`.

    `tied` says whether the user's next interaction has the target's time, so that the tie-break chose the target.
    """
    time = pl.col("timestamp")
    within = encoded.filter(time.is_between(start, end, closed="left")).group_by("user", maintain_order=True)
    targets = within.agg(
        pl.col("item").head(1).alias("targets"), tied=time.len().gt(1) & (time.first() == time.slice(1, 1).first())
    )
    history = histories(encoded.filter(time < start))
    frame = history.join(targets, on="user", how="inner", maintain_order="left")
    return frame.with_columns(pl.col("tied").fill_null(False), ranking=pl.lit(ranking))
