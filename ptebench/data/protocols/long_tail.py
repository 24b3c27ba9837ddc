"""Long tail: leave one out with head and tail groups, ranked against all items and against frozen negatives."""

import numpy as np
import polars as pl

from ptebench.data.filters import mix
from ptebench.data.negatives import draw, keys
from ptebench.data.protocols import leave_one_out
from ptebench.data.splits import counts, encode, events, groups
from ptebench.files import OWN_CANDIDATES, InputError

WIDTH = 2  # the items of like popularity to draw from, as a multiple of the negatives


def split(interactions: pl.DataFrame, settings: dict) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, by name.

    Every test event is in three rankings: `full` (the whole catalogue), `uniform` (the target and `negatives` uniform
    items) and `matched` (the target and `negatives` items whose training counts are nearest to its own, so that a
    ranking by popularity is at chance). Negatives are never in the user's sequence. Validation ranks the whole
    catalogue. With `heads_compat`, the dataset's published thresholds, events also have the head and tail groups of Liu
    et al. (NeurIPS 2024).
    """
    parts, last = leave_one_out.split_without_groups(interactions, settings)
    parts["test"] = events(*(last.with_columns(ranking=pl.lit(name)) for name in ("full", "uniform", "matched")))
    train_counts = counts(parts["train"]["history"], parts["vocabulary"].filter(pl.col("side") == "item").height)
    negatives = np.concatenate(list(_negatives(parts["vocabulary"], last, train_counts, settings).values()))
    own = {"events": parts["test"]["event"].tail(len(negatives)).reshape((-1, 1)), "items": negatives}
    parts["test_candidates"] = pl.DataFrame(own).cast(pl.Schema(OWN_CANDIDATES))
    heads = None
    if least := settings["heads_compat"]:
        total = np.bincount(encode(interactions, parts["vocabulary"])["item"], minlength=len(train_counts))
        of_user = (parts["test"]["history"].list.len() >= least["user"]).to_numpy()
        heads = of_user, total[parts["test"]["targets"].list.first().to_numpy()] >= least["item"]
    return parts | {"groups": groups(parts, pl.concat([last["tied"]] * 3), heads=heads, bins=settings["bins"])}


def _negatives(
    words: pl.DataFrame, last: pl.DataFrame, train_counts: np.ndarray, settings: dict
) -> dict[str, np.ndarray]:
    """Return the negatives (events, negatives) of each ranking."""
    number, seed, items = settings["negatives"], settings["seed"], len(train_counts) - 1
    raw = last.select("user").join(words.filter(pl.col("side") == "user"), left_on="user", right_on="id", how="left")
    whole = last.select(pl.concat_list("history", "targets").list.unique()).to_series()
    size = whole.list.len().to_numpy()
    if (short := size + number > items).any():
        user = int(short.argmax())
        raise InputError(
            f"negatives: user {raw['raw'][user]!r} has {size[user]} of {items} items, which leaves fewer than "
            f"{number}; lower the protocol's negatives"
        )
    own_items = np.sort(np.repeat(np.arange(len(whole)), size) * (items + 1) + whole.explode().to_numpy())
    everything = np.arange(1, items + 1)
    by_count = everything[np.lexsort((mix(everything, seed), train_counts[1:]))]
    place = np.empty(items + 1, dtype=np.int64)
    place[by_count] = np.arange(items)
    # wide enough to hold the wanted number beside the user's own items
    width = np.minimum(WIDTH * number + size, items)
    middle = place[last["targets"].list.first().to_numpy()] - width // 2
    ranges = {
        "uniform": (everything, np.zeros_like(width), np.full_like(width, items)),
        "matched": (by_count, middle.clip(0, items - width), width),
    }
    return {
        name: draw(keys(raw["raw"].to_list(), seed, name), order, low, wide, own_items, number)
        for name, (order, low, wide) in ranges.items()
    }
