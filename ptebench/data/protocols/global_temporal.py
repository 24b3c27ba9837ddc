"""Global temporal: one timeline for all users; train, validation and the test windows follow one another."""

import polars as pl

from ptebench.data.splits import (
    asked,
    candidates,
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

    Validation is the latest `valid` share of the interactions before the first cut, and what precedes it trains. A test
    window reaches from a cut to the next one, the last to `end`. A user with interactions before and within a window
    has one event there: the history is everything before the window, the target the first item within. One window is
    the ranking `full`; of several, each is a ranking `window_{n}` of the one model, which nothing after the first cut
    has trained. A ranking has the items that occur before its window's end as candidates. With `remove_seen` a target
    that the history holds already is not asked (`asked`).
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
    chosen = {name: asked(frame, settings, name) for name, frame in first.items()}
    ends = {"validation": cut} | {name: end for name, _, end in tests}
    shown = {name: encoded.filter(time < end)["item"].unique().sort().to_numpy() for name, end in ends.items()}
    left = repeats(**{name: (first[name], chosen[name]) for name in first})
    valid = chosen.pop("validation")
    parts = {
        "vocabulary": words,
        "train": train(histories(encoded.filter(time < start))),
        "valid": events(valid),
        "test": events(*chosen.values()),
        "candidates": candidates(**shown),
        "repeats": left.with_columns(part=pl.when(part="validation").then(pl.lit("valid")).otherwise(pl.lit("test"))),
    }
    return parts | {"groups": groups(parts, pl.concat([frame["tied"] for frame in chosen.values()]))}


def _next(encoded: pl.DataFrame, ranking: str, start: int, end: int) -> pl.DataFrame:
    """Return an event per user: the first item from `start` to before `end`, after all items before `start`.

    `tied` says whether the user's next interaction has the target's time, so that the tie-break chose the target.
    """
    time = pl.col("timestamp")
    within = encoded.filter(time.is_between(start, end, closed="left")).group_by("user", maintain_order=True)
    targets = within.agg(
        pl.col("item").head(1).alias("targets"), tied=time.len().gt(1) & (time.first() == time.slice(1, 1).first())
    )
    seen = histories(encoded.filter(time < start))
    frame = seen.join(targets, on="user", how="inner", maintain_order="left")
    return frame.with_columns(pl.col("tied").fill_null(False), ranking=pl.lit(ranking))
