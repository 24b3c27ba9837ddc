"""95 % intervals: bootstrap over items or users, jackknife where a statistic is no mean, nulls by shuffling."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ptebench.randomness import generator

DRAWS = 1000
GROUPS = 20  # of the jackknife
SHUFFLES = 19  # the largest of 19 is passed by chance once in 20
STUDENT = 2.093  # 97.5 % of Student's t with GROUPS - 1 degrees of freedom


class Estimate(NamedTuple):
    """A value, its 95 % interval, and how many items or events it is of."""

    value: float
    low: float
    high: float
    size: int


def ratio(numerator: np.ndarray, denominator: np.ndarray | None = None, units: np.ndarray | None = None) -> Estimate:
    """Return sum / sum (by default the mean) of rows (n,), with a bootstrap over `units` (n,), by default rows."""
    count = len(numerator)
    both = np.stack([numerator, np.ones(count) if denominator is None else denominator], 1).astype(np.float64)
    if units is not None:
        unit = np.unique(units, return_inverse=True)[1]
        both = np.stack([np.bincount(unit, column) for column in both.T], 1)
    random = generator(0, "bootstrap")
    draws = np.empty((DRAWS, 2))
    for draw in range(DRAWS):
        draws[draw] = np.bincount(random.integers(len(both), size=len(both)), minlength=len(both)) @ both
    low, high = np.quantile(draws[:, 0] / draws[:, 1], [0.025, 0.975])
    return Estimate(float(both[:, 0].sum() / both[:, 1].sum()), float(low), float(high), count)


def jackknife(statistic: Callable[[np.ndarray], float], count: int) -> Estimate:
    """Return a statistic of `count` items, with an interval by leaving out each of GROUPS groups of them.

    statistic(rows) takes the rows that are kept.
    """
    group = generator(0, "jackknife").permutation(count) % GROUPS
    value = statistic(np.arange(count))
    without = np.array([statistic(np.flatnonzero(group != k)) for k in range(GROUPS)])
    spread = STUDENT * np.sqrt((GROUPS - 1) / GROUPS * np.square(without - without.mean()).sum())
    return Estimate(float(value), float(value - spread), float(value + spread), count)


def largest_by_chance(statistic: Callable[[np.ndarray], float], count: int, seed: int) -> float:
    """Return the largest value of a statistic under SHUFFLES shuffles of which item is which."""
    random = generator(seed, "shuffles")
    return max(statistic(random.permutation(count)) for _ in range(SHUFFLES))
