"""Intervals of means."""

import numpy as np

RESAMPLES = 10_000


def interval(differences: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean of `differences` (n,)."""
    means = differences[random.integers(len(differences), size=(RESAMPLES, len(differences)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def spread(values: np.ndarray, random: np.random.Generator) -> dict[str, float]:
    """Return the mean of `values` (n,) and its interval: mean, low, high."""
    low, high = interval(np.asarray(values, dtype=float), random)
    return {"mean": float(np.mean(values)), "low": low, "high": high}
