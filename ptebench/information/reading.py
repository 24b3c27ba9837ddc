"""The files of a split as the suite takes them."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from ptebench.files import EVENTS, ITEMS, TRAIN, ragged, read_table
from ptebench.information.task import Events

MOST = 0.9  # of the items may have one category, where a category is to tell items apart


def read_events(path: Path) -> Events:
    """Return the events of the first ranking, one for each target."""
    frame = read_table(path, EVENTS)
    frame = frame.filter(pl.col("ranking") == frame["ranking"].first()).explode("targets")
    values, offsets = ragged(frame["history"])
    users, targets = (frame[name].to_numpy().astype(np.int64) for name in ("user", "targets"))
    return Events(users, values, offsets, targets)


def read_training(path: Path, items: int) -> tuple[np.ndarray, torch.Tensor]:
    """Return the training events of each item (items + 1,), and items that follow one another in a history (2, m)."""
    values, offsets = ragged(read_table(path, TRAIN)["history"])
    pairs = np.stack([values[:-1], values[1:]])
    inside = np.ones(max(0, len(values) - 1), dtype=bool)
    ends = offsets[1:-1]
    inside[ends[(ends > 0) & (ends < len(values))] - 1] = False
    return np.bincount(values, minlength=items + 1), torch.from_numpy(pairs[:, inside])


def read_categories(path: Path, vocabulary: pl.DataFrame) -> list[str | None]:
    """Return the category of each item (items + 1), of the first level that parts them; None where there is none.

    vocabulary: the rows of items.
    """
    frame = read_table(path, ITEMS).select(raw="item_id", categories="categories")
    frame = vocabulary.join(frame, on="raw", how="left", maintain_order="left").sort("id")
    for level in range(max(frame["categories"].list.len().drop_nulls(), default=0)):
        values = frame["categories"].list.get(level, null_on_oob=True)
        counted = values.drop_nulls().value_counts()["count"]
        if len(counted) > 1 and max(counted) <= MOST * len(values):
            return [None, *values]
    return [None] * (len(frame) + 1)
