"""Cross-fitting by item: what is learned of some items is measured on others."""

from dataclasses import dataclass

import numpy as np
import torch

from ptebench.errors import InputError
from ptebench.randomness import generator

FOLDS = 5
FEWEST = 100  # items: a fold of fewer than 20 tells nothing


@dataclass(frozen=True)
class Fold:
    """Rows of items: to fit on, to choose a penalty or a step by, to measure on."""

    fit: torch.Tensor
    choose: torch.Tensor
    test: torch.Tensor


def numbers(counts: np.ndarray, seed: int) -> np.ndarray:
    """Return the fold of each item, 0 ... FOLDS - 1, all folds alike in popularity, from training counts (n,).

    Raises InputError for fewer items than FEWEST.
    """
    if len(counts) < FEWEST:
        raise InputError(
            f"{len(counts)} items have all vectors, and cross-fitting needs at least {FEWEST}; use a larger dataset"
        )
    random = generator(seed, "folds")
    order = np.lexsort((random.random(len(counts)), counts))
    blocks = -(-len(counts) // FOLDS)
    within = random.permuted(np.tile(np.arange(FOLDS), (blocks, 1)), axis=1).ravel()
    result = np.empty(len(counts), dtype=np.int64)
    result[order] = within[: len(counts)]
    return result


def folds(number: np.ndarray) -> list[Fold]:
    """Return each fold as what is measured; the next one chooses, the other three are fitted on."""
    parts = [torch.from_numpy(np.flatnonzero(number == k)) for k in range(FOLDS)]
    return [
        Fold(torch.cat([parts[(k + step) % FOLDS] for step in (2, 3, 4)]), parts[(k + 1) % FOLDS], parts[k])
        for k in range(FOLDS)
    ]


def rarest_fold(counts: np.ndarray, seed: int) -> Fold:
    """Return the fold that measures the rarest fifth of the items, fitted and chosen on the others."""
    random = generator(seed, "rarest")
    order = np.lexsort((random.random(len(counts)), counts))
    part = len(counts) // FOLDS
    others = random.permutation(order[part:])
    return Fold(*(torch.from_numpy(np.sort(rows)) for rows in (others[part:], others[:part], order[:part])))
