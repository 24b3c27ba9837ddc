"""Frozen negatives: items sampled for each event by a hash of the event, independently of other events."""

import hashlib

import numpy as np

from ptebench.data.filters import mix

BLOCK = 2**21  # draws held at once


def keys(names: list[str], *purpose) -> np.ndarray:
    """Return a 64-bit hash per name, the same on every machine, to start a random stream with."""
    texts = ("/".join(map(str, (*purpose, name))) for name in names)
    return np.array([int.from_bytes(hashlib.sha256(t.encode()).digest()[:8]) for t in texts], dtype=np.uint64)


def draw(keys: np.ndarray, order: np.ndarray, low: np.ndarray, width: np.ndarray, excluded: np.ndarray, number: int):
    """Return (events, number) int32, the first distinct items of each event's stream that are not excluded.

    A stream is uniform over the items order[low : low + width] of its event; `excluded` holds (event, item) pairs as
    sorted keys event * size + item, size the largest item + 1. Each event must have `number` items to draw from.
    """
    size = int(order.max()) + 1
    result = np.empty((len(keys), number), dtype=np.int32)
    pending, tries = np.arange(len(keys)), 2 * number
    while len(pending):
        short = []
        for rows in np.array_split(pending, -(-len(pending) * tries // BLOCK)):
            # the numbers of splitmix64, of which the upper halves are scaled to the width
            numbers = np.stack([mix(keys[rows], j) for j in range(tries)], axis=1) >> np.uint64(32)
            place = (numbers * width[rows, None].astype(np.uint64)) >> np.uint64(32)
            items = order[low[rows, None] + place.astype(np.int64)]
            good = _first(items) & ~_within(rows[:, None] * size + items, excluded)
            count = good.cumsum(axis=1)
            enough = count[:, -1] >= number
            result[rows[enough]] = items[enough][(good & (count <= number))[enough]].reshape(-1, number)
            short.append(rows[~enough])
        pending, tries = np.concatenate(short), 2 * tries
    return result


def _first(items: np.ndarray) -> np.ndarray:
    """Return a mask, True at the first entry of every value in its row."""
    by_value = items.argsort(axis=1, kind="stable")
    ascending = np.take_along_axis(items, by_value, axis=1)
    first = np.ones(items.shape, dtype=bool)
    np.put_along_axis(first, by_value[:, 1:], ascending[:, 1:] != ascending[:, :-1], axis=1)
    return first


def _within(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return a mask, True for the values that occur in `ascending`, which is not empty."""
    at = np.searchsorted(ascending, values).clip(max=len(ascending) - 1)
    return ascending[at] == values
