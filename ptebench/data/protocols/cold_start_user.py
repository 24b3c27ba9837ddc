"""Cold-start users: train, validation and test users are disjoint; the last item of a user is the target."""

import numpy as np
import polars as pl

from ptebench.data.splits import (
    candidates,
    drop_repeats,
    encode,
    events,
    groups,
    histories,
    next_item,
    repeats,
    require,
    train,
    vocabulary,
)  # fmt: skip
from ptebench.data.twins import near_duplicates
from ptebench.files import InputError


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    Sequences are cut to the last `last` items. Users are divided as the publisher does (`given`) or at random in the
    shares `valid` and `test`. Validation and test users with a single item have no event. With `cold_k` there is a
    ranking `cold_{k}` for each k, whose histories are the last k items, and no ranking `full`; validation has whole
    histories. With `remove_seen`, targets that are in the whole history give no event (`drop_repeats`).
    """
    words = vocabulary(interactions)
    users = histories(encode(interactions, words)).with_columns(
        pl.col("history", "time").list.tail(settings["last"]),
        part=_publishers_parts(interactions, words)
        if settings["given"]
        else _random_parts(interactions["user_id"].n_unique(), settings),
    )
    mend = "use more users, or larger shares"
    last = {}
    for part in ("valid", "test"):
        eligible = users.filter((pl.col("part") == part) & (pl.col("history").list.len() > 1))
        require(eligible, f"no {part} user with two interactions", mend)
        last[part] = next_item(eligible, 1)
    training = users.filter(pl.col("part") == "train")
    require(training, "no training user", mend)
    ends = {part: drop_repeats(frame, settings, part) for part, frame in last.items()}
    test = ends["test"]
    rankings = [
        test.with_columns(pl.col("history").list.tail(k), ranking=pl.lit(f"cold_{k}")) for k in settings["cold_k"]
    ] or [test]
    parts = {
        "vocabulary": words,
        "train": train(training),
        "valid": events(ends["valid"]),
        "test": events(*rankings),
        "candidates": candidates(),
        "repeats": repeats(**{part: (last[part], ends[part]) for part in last}),
    }
    whole = test.select(pl.concat_list("history", "targets")).to_series()
    twins = np.tile(near_duplicates(whole, parts["train"]["history"]), len(rankings))
    return parts | {"groups": groups(parts, pl.concat([test["tied"]] * len(rankings)), twins)}


def _publishers_parts(interactions: pl.DataFrame, words: pl.DataFrame) -> pl.Series:
    """Return the publisher's part of each user, in order of dense ids."""
    users = interactions.group_by("user_id").agg(pl.col("part").first(), parts=pl.col("part").n_unique())
    users = users.sort("user_id")
    if users["part"].null_count() or not set(users["part"]) <= {"train", "valid", "test"}:
        raise InputError("given: the dataset has no split of its own; set given: false to draw one")
    if (clash := users.filter(pl.col("parts") > 1)).height:
        raise InputError(f"given: user {clash['user_id'][0]!r} is in more than one part; set given: false to draw one")
    return users["part"]


def _random_parts(users: int, settings: dict) -> pl.Series:
    """Return a random part per user, in order of dense ids."""
    order = np.random.default_rng(settings["seed"]).permutation(users)
    part = np.full(users, "train", dtype=object)
    valid, test = (round(settings[p] * users) for p in ("valid", "test"))
    part[order[:test]] = "test"
    part[order[test : test + valid]] = "valid"
    return pl.Series(part, dtype=pl.String)
