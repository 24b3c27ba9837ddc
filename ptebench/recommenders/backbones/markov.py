"""Markov: how often an item followed the last items of the history, in training sequences."""

import numpy as np

from ptebench.recommenders.counter import ItemToItem, counts


class Counter(ItemToItem):
    """First-order transition counts; older items of the history vote with decayed weight."""

    def fit(self, train) -> None:
        """Count adjacent pairs inside each training history."""
        values = train.histories.values.numpy()
        inside = np.ones(len(values), dtype=bool)
        ends = train.histories.offsets[1:].numpy() - 1
        inside[ends[train.histories.lengths.numpy() > 0]] = False
        before = np.flatnonzero(inside)
        self.matrix = counts(values[before], values[before + 1], np.ones(len(before)), self.items + 1)
