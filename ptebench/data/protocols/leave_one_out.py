"""Leave one out: the last item of a user is the test target, the second last the validation target."""

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


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name; the whole catalogue is ranked."""
    parts, last = split_without_groups(interactions, settings)
    return parts | {"groups": groups(parts, last["tied"])}


def split_without_groups(interactions: pl.DataFrame, settings: dict) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Return the frames of a split without groups, and the rows of `next_item` that the test events were made from.

    Training histories are all but the last two items; a user with fewer than three interactions trains with all of them
    and has no event. The test history includes the validation item. With `remove_seen`, targets that are in the history
    give no event (`drop_repeats`); they are not in training either.
    """
    words = vocabulary(interactions)
    users = histories(encode(interactions, words))
    long = users.filter(pl.col("history").list.len() >= 3)
    require(long, "no user has three interactions", "loosen the dataset's filters or choose another protocol")
    length = pl.col("history").list.len()
    training = users.with_columns(
        pl.when(length >= 3).then(pl.col("history").list.head(length - 2)).otherwise("history")
    )
    ends = {part: next_item(long, back) for part, back in (("valid", 2), ("test", 1))}
    events_of = {part: drop_repeats(frame, settings, part) for part, frame in ends.items()}
    parts = {
        "vocabulary": words,
        "train": train(training),
        **{part: events(frame) for part, frame in events_of.items()},
        "candidates": candidates(),
        "repeats": repeats(**{part: (ends[part], events_of[part]) for part in ends}),
    }
    return parts, events_of["test"]
