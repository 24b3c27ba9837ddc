"""What the writing of profiles may know of a split."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ptebench.files import ITEMS, TRAIN, VOCABULARY, ragged, read_table
from ptebench.profiles.evidence.cards import Cards, cards_of
from ptebench.randomness import generator


@dataclass(frozen=True)
class Split:
    """What this stage may know of a split: cards, and histories by dense user id, oldest first."""

    cards: Cards
    train: dict[int, list[int]]
    vocabulary: pl.DataFrame

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.cards.title) - 1

    def warm(self) -> np.ndarray:
        """Return the ids of the items with training interactions, ascending."""
        return np.unique(np.concatenate([np.asarray(h, dtype=np.int64) for h in self.train.values()]))

    def cold(self) -> set[int]:
        """Return the ids of the items without training interactions."""
        return set(range(1, self.items + 1)) - set(self.warm().tolist())

    def ragged(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the training histories as values and offsets."""
        return ragged(pl.Series(list(self.train.values()), dtype=pl.List(pl.Int32)))

    def without(self, pairs: set[tuple[int, int]]) -> "Split":
        """Return the split without the held-out pairs (user, item), each occurrence of them."""
        users = {u for u, _ in pairs}
        train = self.train | {u: [i for i in self.train[u] if (u, i) not in pairs] for u in users}
        return replace(self, train=train)

    def readers(self, limit: int, seed: int) -> dict[int, list[int]]:
        """Return up to `limit` training users of each warm item, drawn by seed."""
        values, offsets = self.ragged()
        users = np.repeat(np.fromiter(self.train, dtype=np.int64), np.diff(offsets))
        pairs = np.unique(np.stack([values, users], 1), axis=0)
        pairs = pairs[np.lexsort((generator(seed, "readers").random(len(pairs)), pairs[:, 0]))]
        items, starts = np.unique(pairs[:, 0], return_index=True)
        return {i: block[:limit, 1].tolist() for i, block in zip(items.tolist(), np.split(pairs, starts[1:]))}


def read_split(train, vocabulary, items) -> Split:
    """Read the files of a split."""
    words = read_table(vocabulary, VOCABULARY)
    rows = read_table(train, TRAIN)
    histories = dict(zip(rows["user"].to_list(), rows["history"].to_list()))
    return Split(cards_of(read_table(items, ITEMS), words), histories, words)
