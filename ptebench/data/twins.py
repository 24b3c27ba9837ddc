"""Near duplicates: lists of items that share half of them, found without comparing all pairs that share one."""

import numpy as np
import polars as pl
from scipy import sparse

NEAR = 0.5  # Jaccard overlap from which two lists count as near duplicates
SHARED = 2**21  # about how many items that two lists share are held at once


class Lists:
    """The different items of each list, rare ones first, and the rare ones of which near duplicates share one.

    Of the n items of a list a near duplicate holds NEAR * n at least, so that one of the n - ceil(NEAR * n) + 1 rarest
    is among them: the prefix filter of a set similarity join (Chaudhuri et al. 2006).
    """

    def __init__(self, lists: pl.Series, rank: np.ndarray):
        of_row = np.repeat(np.arange(len(lists)), lists.list.len().to_numpy())
        items = rank[lists.explode(empty_as_null=False).to_numpy()]
        ones = np.ones(len(items), np.int32)
        self.items = sparse.csr_array((ones, (of_row, items)), shape=(len(lists), len(rank)))
        self.items.data[:] = 1  # repeats count once
        self.items.sort_indices()
        self.size = np.diff(self.items.indptr)
        first = np.where(self.size > 0, self.size - np.ceil(NEAR * self.size).astype(np.int64) + 1, 0)
        self.rest = self.size - first
        place = np.arange(self.items.nnz) - np.repeat(self.items.indptr[:-1], self.size)
        mask = place < np.repeat(first, self.size)
        ends = np.concatenate([[0], np.cumsum(first)])
        self.rare = sparse.csr_array((self.items.data[mask], self.items.indices[mask], ends), shape=self.items.shape)
        self.last = np.full(len(lists), -1)  # the commonest of the rare ones
        self.last[first > 0] = self.rare.indices[ends[1:][first > 0] - 1]


def near_duplicates(
    left: pl.Series, right: pl.Series, owners: tuple[pl.Series, pl.Series] | None = None, limit: int = SHARED
) -> np.ndarray:
    """Return a mask of the lists of `left` whose items overlap those of a list of `right`, Jaccard NEAR or more.

    With the `owners` of both, a list is not compared with those of its own user.
    """
    ids = [lists.explode(empty_as_null=False).to_numpy() for lists in (left, right)]
    size = 1 + max(part.max(initial=0) for part in ids)
    count = sum(np.bincount(part, minlength=size) for part in ids)
    rank = np.empty(size, np.int64)
    rank[np.argsort(count, kind="stable")] = np.arange(size)
    a, b = Lists(left, rank), Lists(right, rank)
    holders = b.rare.T.tocsr()
    work = a.rare @ np.diff(holders.indptr).astype(np.int64)
    near = np.zeros(len(left), bool)
    for rows in blocks(work, limit):
        common = a.rare[rows] @ holders
        row, col = np.repeat(rows, np.diff(common.indptr)), common.indices
        # what the two may share beyond the rare ones lies behind the prefix that ends first
        beyond = np.where(a.last[row] < b.last[col], a.rest[row], b.rest[col])
        mask = enough(common.data + beyond, a.size[row] + b.size[col])
        if owners:
            mask &= owners[0].to_numpy()[row] != owners[1].to_numpy()[col]
        row, col = row[mask], col[mask]
        for some in blocks(a.size[row], limit):
            both = a.items[row[some]].multiply(b.items[col[some]]).sum(axis=1)
            near[row[some][enough(both, a.size[row[some]] + b.size[col[some]])]] = True
    return near


def enough(common: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return whether so many common items are NEAR of all different ones, given the sum of both lists' sizes."""
    return common >= NEAR * (sizes - common)


def blocks(work: np.ndarray, limit: int) -> list[np.ndarray]:
    """Return the numbers of rows in blocks, each of about `limit` work or of one row."""
    return np.split(np.arange(len(work)), np.flatnonzero(np.diff(work.cumsum() // limit)) + 1)
