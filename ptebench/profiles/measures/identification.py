"""Whether a profile tells its owner from a crowd."""

import numpy as np

from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.measures.ranking import nearness, negatives

CROWD, NEAREST = 256, 5  # among whom an owner is identified, and how many of them resemble the owner most


def crowds(owners: list[int], signatures: np.ndarray, members: np.ndarray, random) -> np.ndarray:
    """Return (T, M) ids: each owner, the NEAREST members by `signatures` (k, d), and other members at random.

    An owner whose signature is zeros, as that of an item without text, has nobody near and others in their place.
    """
    near = nearest(owners, signatures, members.tolist(), NEAREST)
    strangers = set(range(1, len(signatures))) - set(members.tolist())
    closed = [{o, *near[o]} | strangers for o in owners]
    fewest = min(len(near[o]) for o in owners)
    others = negatives(random, np.ones(len(signatures)), closed, CROWD - 1 - fewest)
    size = 1 + fewest + others.shape[1]
    return np.stack([[o, *near[o], *row][:size] for o, row in zip(owners, others)])


def identification(rank: np.ndarray) -> np.ndarray:
    """Return the nearness of the owner among a crowd, ranked by what each of them is known by."""
    return nearness(rank)
