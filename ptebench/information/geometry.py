"""The shape of vectors, without any fit: likeness of two sets, and how one fills its space."""

import numpy as np
import torch
from torch.nn.functional import normalize

from ptebench.information.intervals import Estimate, jackknife, largest_by_chance, ratio
from ptebench.randomness import generator

NEIGHBOURS = 10
PAIRS = 50_000  # at most, and at most MANY of an item
MANY = 20
BLOCK = 1024


def debiased_cka(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return linear CKA of x (n, d) and y (n, e) by the unbiased HSIC of Song et al. (2012); 0 is chance."""
    x, y = (m.double() - m.double().mean(0) for m in (x, y))

    def hsic(a: torch.Tensor, b: torch.Tensor) -> float:
        n = len(a)
        own_a, own_b = a.square().sum(1), b.square().sum(1)
        rows_a, rows_b = a @ a.sum(0) - own_a, b @ b.sum(0) - own_b
        both = (a.T @ b).square().sum() - (own_a * own_b).sum()
        sums = rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (rows_a * rows_b).sum()
        return float((both + sums) / (n * (n - 3)))

    scale = hsic(x, x) * hsic(y, y)
    return hsic(x, y) / scale**0.5 if scale > 0 else 0.0


def neighbours(x: torch.Tensor) -> torch.Tensor:
    """Return the NEIGHBOURS nearest others of each row (n, NEIGHBOURS), by cosine."""
    unit, nearest = normalize(x, dim=1), []
    for rows in torch.arange(len(x)).split(BLOCK):
        scores = unit[rows] @ unit.T
        scores[torch.arange(len(rows)), rows] = -torch.inf
        nearest.append(scores.topk(NEIGHBOURS, dim=1).indices)
    return torch.cat(nearest)


def overlap(first: torch.Tensor, second: torch.Tensor) -> np.ndarray:
    """Return the share of each row's neighbours that both lists (n, k) have."""
    return (first[:, :, None] == second[:, None]).any(2).double().mean(1).numpy()


def sample_pairs(count: int, seed: int) -> torch.Tensor:
    """Return pairs (2, m) of two different rows."""
    random, size = generator(seed, "pairs"), min(PAIRS, MANY * count)
    first = random.integers(count, size=size)
    return torch.from_numpy(np.stack([first, (first + random.integers(1, count, size=size)) % count]))


def cosines(x: torch.Tensor, pairs: torch.Tensor) -> np.ndarray:
    """Return the cosine of each pair."""
    unit = normalize(x.double(), dim=1)
    return (unit[pairs[0]] * unit[pairs[1]]).sum(1).numpy()


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation, ties in their order."""
    places = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in (first, second)]
    return float(1 - 6 * np.square(places[0] - places[1]).sum() / (len(first) * (len(first) ** 2 - 1)))


def likeness(x: torch.Tensor, y: torch.Tensor, near: tuple[torch.Tensor, torch.Tensor], seed: int):
    """Return (estimate, null) of CKA, neighbour overlap and correlation of cosines, by name; `near` of x and of y."""
    count = len(x)
    pairs = sample_pairs(count, seed)
    first, second = cosines(x, pairs), cosines(y, pairs)

    def correlation(rows: np.ndarray) -> float:
        mask = np.zeros(count, dtype=bool)
        mask[rows] = True
        inside = mask[pairs[0].numpy()] & mask[pairs[1].numpy()]
        return rank_correlation(first[inside], second[inside])

    def mixed_neighbours(order: np.ndarray) -> float:
        to = torch.from_numpy(order)
        moved = torch.empty_like(near[1])
        moved[to] = to[near[1]]
        return float(overlap(near[0], moved).mean())

    return {
        "CKA": (
            jackknife(lambda rows: debiased_cka(x[rows], y[rows]), count),
            largest_by_chance(lambda order: debiased_cka(x, y[order]), count, seed),
        ),
        "neighbours": (ratio(overlap(*near)), largest_by_chance(mixed_neighbours, count, seed)),
        "cosines": (
            jackknife(correlation, count),
            largest_by_chance(lambda order: rank_correlation(first, cosines(y[order], pairs)), count, seed),
        ),
    }


def effective_rank(x: torch.Tensor) -> float:
    """Return exp of the entropy of the shares of variance of the principal components."""
    x = x.double() - x.double().mean(0)
    values = torch.linalg.eigvalsh(x.T @ x).clamp_min(0)
    share = values / values.sum()
    return float((-(share * share.clamp_min(1e-300).log()).sum()).exp())


def shape(x: torch.Tensor, partners: torch.Tensor, seed: int) -> dict[str, Estimate]:
    """Return effective rank, mean cosine, uniformity, and alignment: the squared distance of `partners` (2, m).

    Vectors are brought to length 1 for all but the rank (Wang & Isola, 2020).
    """
    unit, pairs = normalize(x.double(), dim=1), sample_pairs(len(x), seed)

    def mean_cosine(rows: np.ndarray) -> float:
        n = len(rows)
        return float((unit[rows].sum(0).square().sum() - n) / (n * (n - 1)))

    def uniformity(rows: np.ndarray) -> float:
        mask = torch.zeros(len(x), dtype=torch.bool)
        mask[rows] = True
        cosine = torch.from_numpy(cosines(x, pairs[:, mask[pairs].all(0)]))
        return float((-2 * (2 - 2 * cosine)).exp().mean().log())

    return {
        "effective rank": jackknife(lambda rows: effective_rank(x[rows]), len(x)),
        "mean cosine": jackknife(mean_cosine, len(x)),
        "uniformity": jackknife(uniformity, len(x)),
        "alignment": ratio(2 - 2 * cosines(x, partners)),
    }
