"""Vectors that owners of profiles are known by, and matrices of ids into them."""

import numpy as np

from ptebench.profiles.evidence.split import Split


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length one (rows of zeros stay)."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def history_means(split: Split, cards: np.ndarray) -> np.ndarray:
    """Return the mean card of each training history by user id; zeros for an empty one."""
    vectors = np.zeros((max(split.train) + 1, cards.shape[1]), dtype=np.float32)
    for user, history in split.train.items():
        if history:
            vectors[user] = cards[history].mean(0)
    return vectors


def padded(rows: list[list[int]]) -> np.ndarray:
    """Return lists of ids as one matrix, zeros behind the shorter ones."""
    matrix = np.zeros((len(rows), max(1, *map(len, rows))), dtype=np.int64)
    for row, ids in zip(matrix, rows):
        row[: len(ids)] = ids
    return matrix
