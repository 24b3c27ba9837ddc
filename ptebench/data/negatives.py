"""Frozen negatives: one fixed draw for each event, by hash, so that no draw depends on another event."""

import hashlib

import numpy as np

from ptebench.data.filters import mix

BLOCK = 2**21  # draws held at once


def keys(names: list[str], *purpose) -> np.ndarray:
    """Return a 64-bit key per name: the start of a stream of its own, the same on every machine."""
    texts = ("/".join(map(str, (*purpose, name))) for name in names)
    return np.array([int.from_bytes(hashlib.sha256(t.encode()).digest()[:8]) for t in texts], dtype=np.uint64)


def draw(keys: np.ndarray, order: np.ndarray, low: np.ndarray, width: np.ndarray, taken: np.ndarray, number: int):
    """Return (events, number) int32, for each event the first distinct items of its stream that are not taken.

    A stream is uniform over the items order[low : low + width] of its event; `taken` holds (event, item) pairs as
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
            good = _first(items) & ~_within(rows[:, None] * size + items, taken)
            count = good.cumsum(axis=1)
            enough = count[:, -1] >= number
            result[rows[enough]] = items[enough][(good & (count <= number))[enough]].reshape(-1, number)
            short.append(rows[~enough])
        pending, tries = np.concatenate(short), 2 * tries
    return result


def _first(items: np.ndarray) -> np.ndarray:
    """Return which entries are the first of their value in their row."""
    by_value = items.argsort(axis=1, kind="stable")
    ordered = np.take_along_axis(items, by_value, axis=1)
    first = np.ones(items.shape, dtype=bool)
    np.put_along_axis(first, by_value[:, 1:], ordered[:, 1:] != ordered[:, :-1], axis=1)
    return first


def _within(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Return which values occur among ascending ones (at least one)."""
    at = np.searchsorted(ascending, values).clip(max=len(ascending) - 1)
    return ascending[at] == values
