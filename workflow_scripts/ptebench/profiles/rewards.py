"""The rewards of the policy, each a pure function of texts, ids and vectors; in [-1, 1]."""

import numpy as np
from ptebench.profiles.parse import strict
from ptebench.profiles.rounds import ranks


def gate(texts: list[str], side: str) -> list[float]:
    """Return 0 for a text in the schema and -1 for any other."""
    return [0.0 if strict(t.strip(), side) else -1.0 for t in texts]


def gain(rank: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how much nearer to the top a rank is than a reference, as a difference of 1 / log2(1 + rank)."""
    return 1 / np.log2(1 + rank) - 1 / np.log2(1 + reference)


def ranking(
    texts: list[str], side: str, encode, vectors: np.ndarray, candidates: np.ndarray, baseline: np.ndarray
) -> list[float | None]:
    """Return what each profile adds to the ranking of the held-out candidate; None where the gate is shut.

    vectors: what is ranked, one row an id (cards of items, or history means of users).
    candidates: (B, C) ids, column 0 the held-out one. baseline: (B,) its rank without the profile.
    """
    rewards = [None] * len(texts)
    open_ = [i for i, g in enumerate(gate(texts, side)) if g == 0]
    if open_:
        found = ranks(encode([texts[i].strip() for i in open_]), vectors, np.asarray(candidates)[open_])
        for place, value in zip(open_, gain(found, np.asarray(baseline)[open_])):
            rewards[place] = float(value)
    return rewards
