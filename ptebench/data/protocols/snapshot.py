"""Snapshot: train on one period and rank the items of the next, all items and new items alone."""

import numpy as np
import polars as pl

from ptebench.data.filters import seconds
from ptebench.data.splits import candidates, encode, events, groups, histories, latest, require, train, vocabulary
from ptebench.files import OWN_CANDIDATES, InputError


def split(
    interactions: pl.DataFrame, settings: dict, impressions: pl.DataFrame | None = None
) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    A test event is a user of the training period with at least one target that is new to the user. Ranking `full`
    has all items of the test period as candidates, `zero_shot` those that never occur in the training period,
    validation included. The test history is the user's whole training period. Validation events (ranking
    `validation`, candidates: all items of the training period) take the last `valid` share of the training
    interactions by time where times are known, else one random interaction of randomly chosen users with two; of a
    publisher's split those of its validation part, where it has one.

    With `impressions` (IMPRESSIONS) an event of the ranking `impression` is one impression of the test period to a user
    of the training period: its targets are the clicked items, its candidates also the items shown and not clicked.
    Clicks on items of the history are left out, and an impression needs a target and a candidate that are new to the
    user.
    """
    words = vocabulary(interactions, None if impressions is None else impressions["shown"].explode())
    encoded = encode(interactions, words)
    before, after = _periods(encoded, settings)
    mend = "move the cut, or use another protocol"
    require(before, "no interaction in the training period", mend)
    training, validation = _hold_out(before, settings)
    train_items, test_items = before["item"].unique().sort(), after["item"].unique().sort()
    unseen = test_items.filter(~test_items.is_in(train_items.implode()))
    fresh = after.join(before, on=["user", "item"], how="anti")
    never_seen = fresh.filter(pl.col("item").is_in(unseen.implode()))
    test = [_events("full", before, fresh), _events("zero_shot", before, never_seen)]
    valid = _events("validation", training, validation.join(training, on=["user", "item"], how="anti"))
    require(test[0], "no user of the training period has a new item in the test period", mend)
    require(valid, "no validation event", "raise valid, or move the cut")
    sets = {"full": test_items, "zero_shot": unseen}
    parts = {
        "vocabulary": words,
        "train": train(histories(training)),
        "valid": events(valid),
        "candidates": candidates(
            **{name: items.to_numpy() for name, items in {**sets, "validation": train_items}.items()}
        ),
    }
    if impressions is None:
        parts["test"] = events(*test)
    else:
        single = _impressions(impressions, before, words, settings)
        require(single, "no impression of the test period can be asked", "move the cut")
        parts["test"] = events(*test, single)
        parts["test_candidates"] = _candidates(parts["test"], sets, single)
    return parts | {"groups": groups(parts)}


def _candidates(test: pl.DataFrame, sets: dict[str, pl.Series], single: pl.DataFrame) -> pl.DataFrame:
    """Return the OWN_CANDIDATES of test events, the last of which are the `single` impressions."""
    of_ranking = test.partition_by("ranking", as_dict=True)
    common: dict[str, list[pl.Series]] = {"events": [], "items": []}
    for name in (n for n in sets if (n,) in of_ranking):
        common["events"].append(of_ranking[(name,)]["event"])
        common["items"].append(sets[name])
    each = {"events": test["event"].tail(single.height).reshape((-1, 1)), "items": single["items"]}
    return pl.concat(pl.DataFrame(f).cast(pl.Schema(OWN_CANDIDATES)) for f in (common, each))


def _impressions(impressions, before: pl.DataFrame, words: pl.DataFrame, settings: dict) -> pl.DataFrame:
    """Return events of single impressions: ranking, user, history, targets, and `items`, shown and not clicked."""
    within = pl.col("timestamp").is_between(*_test_period(settings), closed="left")
    users, items = (words.filter(pl.col("side") == side).select("id", "raw") for side in ("user", "item"))
    frame = impressions.filter(within).join(users, left_on="user_id", right_on="raw", maintain_order="left")
    frame = frame.select("shown", "clicked", user="id").with_row_index("impression")

    def pairs(column):
        flat = frame.select("impression", "user", raw=column).explode("raw", empty_as_null=False)
        return flat.join(items, on="raw", maintain_order="left").select("impression", "user", item="id")

    shown_items, clicks = pairs("shown"), pairs("clicked")
    fresh = clicks.join(before, on=["user", "item"], how="anti", maintain_order="left")
    others = shown_items.join(clicks, on=["impression", "item"], how="anti", maintain_order="left")
    new = others.join(before, on=["user", "item"], how="anti")["impression"].unique()
    by = {"on": "impression", "how": "inner", "maintain_order": "left"}
    rows = fresh.group_by("impression", "user", maintain_order=True).agg(targets="item")
    rows = rows.filter(pl.col("impression").is_in(new.implode()))
    rows = rows.join(others.group_by("impression", maintain_order=True).agg(items="item"), **by)
    history = histories(before).select("user", "history")
    return rows.join(history, on="user", maintain_order="left").with_columns(ranking=pl.lit("impression"))


def _test_period(settings: dict) -> tuple[int, int]:
    """Return the first second of the test period and the first second after it."""
    return seconds(settings["cut"]), seconds(settings["end"]) if settings["end"] else 2**62


def _periods(encoded: pl.DataFrame, settings: dict) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the test period."""
    if settings["cut"] is None:
        if not set(encoded["part"].unique()) <= {"train", "valid", "test"}:
            raise InputError("snapshot: the dataset has no split of its own; set cut, the first day of the test period")
        testing = pl.col("part") == "test"
        return encoded.filter(~testing), encoded.filter(testing)
    if encoded["timestamp"].null_count():
        raise InputError("snapshot: cut needs timestamps, and the dataset has interactions without; set cut: null")
    time, (cut, end) = pl.col("timestamp"), _test_period(settings)
    return encoded.filter(time < cut), encoded.filter(time.is_between(cut, end, closed="left"))


def _hold_out(before: pl.DataFrame, settings: dict) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the interactions of the training period divided into those that train and those that validate."""
    if settings["cut"] is None and "valid" in before["part"]:
        return before.filter(pl.col("part") != "valid"), before.filter(pl.col("part") == "valid")
    number = round(settings["valid"] * before.height)
    if number == 0:
        return before, before.clear()
    if before["timestamp"].null_count() == 0:
        late = latest(before, number)
        return before.filter(~late), before.filter(late)
    # one interaction of a user: the user keeps a history, and no order is claimed that the source does not give
    rng = np.random.default_rng(settings["seed"])
    user = before["user"].to_numpy()
    order = rng.permutation(before.height)
    _, first, size = np.unique(user[order], return_index=True, return_counts=True)
    eligible = order[first[size >= 2]]
    is_valid = np.zeros(before.height, dtype=bool)
    is_valid[rng.permutation(eligible)[:number]] = True
    return before.filter(~is_valid), before.filter(is_valid)


def _events(ranking: str, histories_of: pl.DataFrame, targets_of: pl.DataFrame) -> pl.DataFrame:
    """Return one event per user with a history in `histories_of` and a target in `targets_of`."""
    targets = targets_of.group_by("user").agg(pl.col("item").unique(maintain_order=True).alias("targets"))
    return (
        histories(histories_of).join(targets, on="user", how="inner").with_columns(ranking=pl.lit(ranking)).sort("user")
    )
