"""Cold-start users: train, validation and test users are disjoint; the last item of a user is the target."""

import numpy as np
import polars as pl

from ptebench.data.splits import (
    asked,
    candidates,
    encode,
    events,
    groups,
    highest_overlap,
    histories,
    next_item,
    repeats,
    require,
    train,
    vocabulary,
)  # fmt: skip
from ptebench.files import InputError

NEAR = 0.5  # Jaccard overlap from which a test user's items count as a near duplicate of a training user's


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    Sequences are cut to the last `last` items. Parts are the publisher's (`given`) or drawn at random in the shares
    `valid` and `test`. Validation and test users with a single item cannot be asked about and are left out. With
    `cold_k`, a ranking `cold_{k}` for each k shows only the last k items of a test history, and there is no ranking
    `full`; validation shows whole histories. With `remove_seen` a target that the whole history holds already is not
    asked (`asked`), in no ranking.
    """
    words = vocabulary(interactions)
    users = histories(encode(interactions, words)).with_columns(
        pl.col("history", "time").list.tail(settings["last"]),
        part=_given(interactions, words) if settings["given"] else _drawn(interactions["user_id"].n_unique(), settings),
    )
    mend = "use more users, or larger shares"
    last = {}
    for part in ("valid", "test"):
        chosen = users.filter((pl.col("part") == part) & (pl.col("history").list.len() > 1))
        require(chosen, f"no {part} user with two interactions", mend)
        last[part] = next_item(chosen, 1)
    training = users.filter(pl.col("part") == "train")
    require(training, "no training user", mend)
    ends = {part: asked(frame, settings, part) for part, frame in last.items()}
    test = ends["test"]
    shown = [
        test.with_columns(pl.col("history").list.tail(k), ranking=pl.lit(f"cold_{k}")) for k in settings["cold_k"]
    ] or [test]
    parts = {
        "vocabulary": words,
        "train": train(training),
        "valid": events(ends["valid"]),
        "test": events(*shown),
        "candidates": candidates(),
        "repeats": repeats(**{part: (last[part], ends[part]) for part in last}),
    }
    whole = test.select(pl.concat_list("history", "targets")).to_series()
    twins = np.tile(highest_overlap(whole, parts["train"]["history"]) >= NEAR, len(shown))
    return parts | {"groups": groups(parts, pl.concat([test["tied"]] * len(shown)), twins)}


def _given(interactions: pl.DataFrame, words: pl.DataFrame) -> pl.Series:
    """Return the publisher's part of each user, in order of dense ids."""
    users = interactions.group_by("user_id").agg(pl.col("part").first(), parts=pl.col("part").n_unique())
    users = users.sort("user_id")
    if users["part"].null_count() or not set(users["part"]) <= {"train", "valid", "test"}:
        raise InputError("given: the dataset has no split of its own; set given: false to draw one")
    if (mixed := users.filter(pl.col("parts") > 1)).height:
        raise InputError(f"given: user {mixed['user_id'][0]!r} is in more than one part; set given: false to draw one")
    return users["part"]


def _drawn(users: int, settings: dict) -> pl.Series:
    """Return a random part per user, in order of dense ids."""
    order = np.random.default_rng(settings["seed"]).permutation(users)
    part = np.full(users, "train", dtype=object)
    valid, test = (round(settings[p] * users) for p in ("valid", "test"))
    part[order[:test]] = "test"
    part[order[test : test + valid]] = "valid"
    return pl.Series(part, dtype=pl.String)
