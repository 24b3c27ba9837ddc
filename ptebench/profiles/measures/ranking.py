"""What a profile's vector is worth for ranking."""

import numpy as np

from ptebench.profiles.evidence.vectors import unit


def ranks(queries: np.ndarray, vectors: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the mid-rank by cosine of column 0 of `candidates` (B, C) for each query (B, d)."""
    return mid_ranks(np.einsum("bd,bcd->bc", unit(queries), unit(vectors[candidates])))


def mid_ranks(scores: np.ndarray) -> np.ndarray:
    """Return the rank of column 0 of scores (B, C) among all; half of those that tie with it stand above."""
    target, others = scores[:, :1], scores[:, 1:]
    return 1 + (others > target).sum(1) + 0.5 * (others == target).sum(1)


def negatives(
    random, popularity: np.ndarray, forbidden: list[set], count: int, near: list[list[int]] | None = None
) -> np.ndarray:
    """Return (B, count) ids from 1, half by popularity and half uniform, none forbidden to its row, none twice.

    popularity: (n + 1,) counts, entry 0 for padding. near: ids of each row, of which up to a quarter of `count` are
    drawn first, in place of uniform ones. Where fewer ids are left, all rows get as many as the shortest can have.
    """
    size = len(popularity)
    count = min([count, *(size - 1 - len(f) for f in forbidden)])
    weight = popularity.astype(float) + 1e-3
    rows = np.empty((len(forbidden), count), dtype=np.int64)
    for place, closed in enumerate(forbidden):
        open_ = np.ones(size, dtype=bool)
        open_[[0, *closed]] = False
        alike = [] if near is None else [i for i in dict.fromkeys(near[place]) if open_[i]]
        beside = random.permutation(np.array(alike, dtype=np.int64))[: count // 4]
        open_[beside] = False
        # exponential races, one a draw: the smallest keys are a weighted draw without replacement
        keys = random.exponential(size=size) / weight
        first = np.argsort(np.where(open_, keys, np.inf), kind="stable")[: count // 2]
        open_[first] = False
        keys = random.exponential(size=size)  # who lost the first race has had large keys there
        second = np.argsort(np.where(open_, keys, np.inf), kind="stable")[: count - len(first) - len(beside)]
        rows[place] = np.concatenate([beside, first, second])
    return rows


def nearness(rank: np.ndarray) -> np.ndarray:
    """Return how near to the top a rank is: 1 / log2(1 + rank)."""
    return 1 / np.log2(1 + rank)


def gain(rank: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how much nearer to the top a rank is than a reference."""
    return nearness(rank) - nearness(reference)


def auc(own: np.ndarray, others: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return for each row the share of pairs in which a positive scores above a negative, ties counting half.

    own: (B, K) and others: (B, C) scores. positives, negatives: of the same shapes, 0 where there is none. Returns
    (B,).
    """
    above = (own[:, :, None] > others[:, None]) + 0.5 * (own[:, :, None] == others[:, None])
    pairs = (positives > 0)[:, :, None] & (negatives > 0)[:, None]
    return (above * pairs).sum((1, 2)) / pairs.sum((1, 2))
