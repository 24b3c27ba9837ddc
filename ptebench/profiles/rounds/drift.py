"""How far profiles have moved between two rounds."""

import json

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from ptebench.profiles.evidence.vectors import unit

ALIKE = 0.9  # two phrases whose cosine is at least this say the same


def embedding_drift(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """Return 1 - cosine between the vectors (B, d) of the same people and items in two rounds; (B,)."""
    return 1 - (unit(new) * unit(old)).sum(1)


def field_drift(new: list[str | None], old: list[str | None], encode) -> np.ndarray:
    """Return 1 - Jaccard overlap of the phrases of each profile in two rounds; one that failed has none. (B,).

    Equal phrases match, and of the others those with a cosine of at least ALIKE, as many as can one to one.
    """
    pairs = [[{p for f in json.loads(t or "{}").values() for p in f} for t in pair] for pair in zip(new, old)]
    unequal = sorted({p for a, b in pairs for p in a ^ b})
    vectors = dict(zip(unequal, unit(encode(unequal)))) if unequal else {}
    overlaps = []
    for a, b in pairs:
        same, left, right = len(a & b), sorted(a - b), sorted(b - a)
        if left and right:
            cosine = np.stack([vectors[p] for p in left]) @ np.stack([vectors[p] for p in right]).T
            same += int((maximum_bipartite_matching(csr_matrix(cosine >= ALIKE)) >= 0).sum())
        union = len(a) + len(b) - same
        overlaps.append(same / union if union else 1.0)
    return 1 - np.array(overlaps)
