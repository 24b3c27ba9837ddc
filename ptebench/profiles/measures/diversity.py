"""How different profiles are from each other."""

import numpy as np

from ptebench.profiles.evidence.vectors import unit


def effective_rank(vectors: np.ndarray) -> float:
    """Return the exponential of the entropy of the covariance's eigenvalues."""
    values = np.clip(np.linalg.eigvalsh(np.cov(vectors.T)), 0, None)
    shares = values[values > 1e-12 * max(values.max(), 1e-30)]
    shares = shares / shares.sum() if len(shares) else np.ones(1)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_pairwise_cosine(vectors: np.ndarray) -> float:
    """Return the mean cosine over pairs of different rows."""
    return float(pairwise_cosines(vectors).mean())


def pairwise_cosines(vectors: np.ndarray) -> np.ndarray:
    """Return the share of each row (B, d) in the mean cosine over pairs of different rows, which is their mean; (B,).

    They spread as the mean over pairs does, so that an interval of their mean is one of it.
    """
    count = len(vectors)
    if count < 2:
        return np.ones(count)
    rows = unit(vectors)
    own = (rows @ rows.sum(0) - rows.any(1)) / (count - 1)  # a text without a vector is like nothing
    return 2 * own - own.mean()


def likeness(vectors: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the mean cosine of each text (B, d) with the texts of other owners; NaN where there are none. (B,)."""
    other = owners[:, None] != owners[None]
    cosines = unit(vectors) @ unit(vectors).T
    with np.errstate(invalid="ignore"):
        return (cosines * other).sum(1) / other.sum(1)
