"""What a round did: drift, parse rate, diversity, utility; when to stop and which round to keep."""

import json

import numpy as np
import polars as pl
from ptebench.files import PROFILES, read_table

CANDIDATES = 49  # that a held-out item is ranked against


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length one (rows of zeros stay)."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def probe_profiles(path, ids: list[int]) -> pl.DataFrame:
    """Return the profiles of the probes, by id."""
    return read_table(path, PROFILES).filter(pl.col("id").is_in(ids)).sort("id")


def embedding_drift(new: np.ndarray, old: np.ndarray) -> float:
    """Return 1 - mean cosine between the vectors of the same people and items in two rounds."""
    return float(1 - (unit(new) * unit(old)).sum(1).mean())


def field_drift(new: list[str | None], old: list[str | None]) -> float:
    """Return 1 - mean Jaccard overlap of the phrases of two rounds; a profile that failed has none."""
    overlaps = []
    for left, right in zip(new, old):
        left, right = ({p for f in json.loads(t or "{}").values() for p in f} for t in (left, right))
        overlaps.append(len(left & right) / len(left | right) if left | right else 1.0)
    return float(1 - np.mean(overlaps))


def effective_rank(vectors: np.ndarray) -> float:
    """Return the exponential of the entropy of the covariance's eigenvalues."""
    values = np.clip(np.linalg.eigvalsh(np.cov(vectors.T)), 0, None)
    shares = values[values > 1e-12 * max(values.max(), 1e-30)]
    shares = shares / shares.sum() if len(shares) else np.ones(1)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def mean_pairwise_cosine(vectors: np.ndarray) -> float:
    """Return the mean cosine over pairs of different rows."""
    count = len(vectors)
    total = unit(vectors).sum(0)
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else 1.0


def ranks(queries: np.ndarray, vectors: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the mid-rank by cosine of column 0 of `candidates` (B, C) for each query (B, d)."""
    scores = np.einsum("bd,bcd->bc", unit(queries), unit(vectors[candidates]))
    target, others = scores[:, :1], scores[:, 1:]
    return 1 + (others > target).sum(1) + 0.5 * (others == target).sum(1)


def negatives(random, popularity: np.ndarray, forbidden: list[set], count: int) -> np.ndarray:
    """Return (B, count) ids from 1, half by popularity and half uniform, none forbidden to its row, none twice.

    popularity: (n + 1,) counts, entry 0 for padding. Where fewer ids are left, all rows get as many as the
    shortest can have.
    """
    size = len(popularity)
    count = min([count, *(size - 1 - len(f) for f in forbidden)])
    weight = popularity.astype(float) + 1e-3
    rows = np.empty((len(forbidden), count), dtype=np.int64)
    for place, closed in enumerate(forbidden):
        open_ = np.ones(size, dtype=bool)
        open_[[0, *closed]] = False
        # exponential races: the smallest keys are a weighted draw without replacement
        race = random.exponential(size=size)
        first = np.argsort(np.where(open_, race / weight, np.inf), kind="stable")[: count // 2]
        open_[first] = False
        second = np.argsort(np.where(open_, race, np.inf), kind="stable")[: count - len(first)]
        rows[place] = np.concatenate([first, second])
    return rows


def ndcg(rank: np.ndarray, k: int = 10) -> np.ndarray:
    """Return NDCG@k of one target by its rank."""
    return np.where(rank <= k, 1 / np.log2(1 + rank), 0.0)


def is_converged(probe: dict, limits: dict) -> bool:
    """Say whether both drifts against the previous round are below their limits."""
    drifts = (probe["embedding_drift"], probe["field_drift"])
    return None not in drifts and drifts[0] < limits["embedding_drift"] and drifts[1] < limits["field_drift"]


def choose(probes: list[dict]) -> dict:
    """Return the record of all rounds: the best of the rounds after distillation by utility, the earliest of equals."""
    rounds = range(1, len(probes))
    best = max(rounds, key=lambda r: (probes[r]["utility"], -r))
    return {
        "best": best,
        "converged": next((r for r in rounds if probes[r]["converged"]), None),
        "rounds": probes,
    }
