"""Snapshot: train on one period, rank the items of the next one, all of them and the never-seen ones alone."""

import numpy as np
import polars as pl
from ptebench.data.filters import seconds
from ptebench.data.splits import candidates, encode, events, groups, histories, latest, require, train, vocabulary
from ptebench.files import InputError


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    A test event is a user of the training period with at least one target that is new to the user. Ranking `full`
    has all items of the test period as candidates, `zero_shot` those that never occur in the training period,
    validation included. The test history is the user's whole training period. Validation events (ranking
    `validation`, candidates: all items of the training period) take the last `valid` share of the training
    interactions by time where times are known, else one random interaction of randomly chosen users with two.
    """
    words = vocabulary(interactions)
    encoded = encode(interactions, words)
    before, after = _periods(encoded, settings)
    mend = "move the cut, or use another protocol"
    require(before, "no interaction in the training period", mend)
    kept, held = _hold_out(before, settings)
    known, shown = before["item"].unique().sort(), after["item"].unique().sort()
    unseen = shown.filter(~shown.is_in(known.implode()))
    fresh = after.join(before, on=["user", "item"], how="anti")
    never_seen = fresh.filter(pl.col("item").is_in(unseen.implode()))
    test = [_events("full", before, fresh), _events("zero_shot", before, never_seen)]
    valid = _events("validation", kept, held.join(kept, on=["user", "item"], how="anti"))
    require(test[0], "no user of the training period has a new item in the test period", mend)
    require(valid, "no validation event", "raise valid, or move the cut")
    parts = {
        "vocabulary": words,
        "train": train(histories(kept)),
        "valid": events(valid),
        "test": events(*test),
        "candidates": candidates(full=shown.to_numpy(), zero_shot=unseen.to_numpy(), validation=known.to_numpy()),
    }
    return parts | {"groups": groups(parts)}


def _periods(encoded: pl.DataFrame, settings: dict) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the test period."""
    if settings["cut"] is None:
        if not set(encoded["part"].unique()) <= {"train", "valid", "test"}:
            raise InputError("snapshot: the dataset has no split of its own; set cut, the first day of the test period")
        testing = pl.col("part") == "test"
        return encoded.filter(~testing), encoded.filter(testing)
    if encoded["timestamp"].null_count():
        raise InputError("snapshot: cut needs timestamps, and the dataset has interactions without; set cut: null")
    time, cut = pl.col("timestamp"), seconds(settings["cut"])
    end = seconds(settings["end"]) if settings["end"] else 2**62
    return encoded.filter(time < cut), encoded.filter(time.is_between(cut, end, closed="left"))


def _hold_out(before: pl.DataFrame, settings: dict) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what trains and what validates, of the training period."""
    number = round(settings["valid"] * before.height)
    if number == 0:
        return before, before.clear()
    if before["timestamp"].null_count() == 0:
        held = latest(before, number)
        return before.filter(~held), before.filter(held)
    # one interaction of a user: the user keeps a history, and no order is claimed that the source does not give
    rng = np.random.default_rng(settings["seed"])
    user = before["user"].to_numpy()
    shuffled = rng.permutation(before.height)
    _, first, size = np.unique(user[shuffled], return_index=True, return_counts=True)
    eligible = shuffled[first[size >= 2]]
    held = np.zeros(before.height, dtype=bool)
    held[rng.permutation(eligible)[:number]] = True
    return before.filter(~held), before.filter(held)


def _events(ranking: str, seen: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """Return one event per user with a history in `seen` and a target in `asked`."""
    targets = asked.group_by("user").agg(pl.col("item").unique(maintain_order=True).alias("targets"))
    return histories(seen).join(targets, on="user", how="inner").with_columns(ranking=pl.lit(ranking)).sort("user")
