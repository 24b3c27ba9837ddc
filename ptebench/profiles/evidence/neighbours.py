"""Who and what is alike by vectors."""

import numpy as np

from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import history_means, unit


def nearest(items: list[int], vectors: np.ndarray, among: list[int], count: int) -> dict[int, list[int]]:
    """Return for each item the `count` others of `among` whose card vectors are most similar, best first.

    An item without text, whose vector is zeros, has no neighbours and is none.
    """
    has_text = np.asarray(vectors.any(1))
    others = np.array(sorted(i for i in among if has_text[i]), dtype=np.int64)
    if not len(others):
        return {i: [] for i in items}
    directions, nearest_of = unit(vectors), {}
    for start in range(0, len(items), 1024):
        block = np.asarray(items[start : start + 1024], dtype=np.int64)
        scores = directions[block] @ directions[others].T
        scores[(block[:, None] == others[None]) | ~has_text[block][:, None]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        for i, row, values in zip(block.tolist(), order, np.take_along_axis(scores, order, 1)):
            nearest_of[i] = others[row[values > -np.inf]].tolist()
    return nearest_of


def typical(split: Split, cards: np.ndarray, among: dict) -> int | None:
    """Return the training user of `among` whose mean of card vectors is nearest to that of all interactions."""
    users = [u for u in split.train if u in among and split.train[u]]
    if not users:
        return None
    means = history_means(split, cards)[users]
    centre = np.bincount(split.ragged()[0], minlength=len(cards)) @ cards
    scores = means @ centre / np.maximum(np.linalg.norm(means, axis=1), 1e-12)
    return users[int(np.argmax(scores))]
