"""What a round did: drift, parse rate, diversity, utility; when to stop and which round to keep."""

import json

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from ptebench.files import PROFILES, read_table

CANDIDATES = 49  # that a held-out item is ranked against
ALIKE = 0.9  # two phrases whose cosine is at least this say the same
GAIN = 0.005  # relative gain of utility below which a round is none
RANK_KEPT = 0.9  # share of the effective rank that a round must keep
PARSED = 0.98  # parse rate above which its fall is no concern
RESAMPLES = 10_000


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length one (rows of zeros stay)."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def probe_profiles(path, ids: list[int]) -> pl.DataFrame:
    """Return the profiles of the probes, by id."""
    return read_table(path, PROFILES).filter(pl.col("id").is_in(ids)).sort("id")


def embedding_drift(new: np.ndarray, old: np.ndarray) -> float:
    """Return 1 - mean cosine between the vectors of the same people and items in two rounds."""
    return float(1 - (unit(new) * unit(old)).sum(1).mean())


def field_drift(new: list[str | None], old: list[str | None], encode) -> float:
    """Return 1 - mean Jaccard overlap of the phrases of two rounds; a profile that failed has none.

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
    return float(1 - np.mean(overlaps))


def change(new: np.ndarray, old: np.ndarray, random) -> dict:
    """Return the mean change of paired values and its 95 % interval by the bootstrap over pairs."""
    changes = np.asarray(new, dtype=float) - np.asarray(old, dtype=float)
    means = changes[random.integers(len(changes), size=(RESAMPLES, len(changes)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(changes.mean()), "low": float(low), "high": float(high)}


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


def is_steady(probe: dict, limits: dict) -> bool:
    """Say whether a round changed little: both drifts below their limits, and no gain of utility worth the name."""
    drifts, gain = (probe["embedding_drift"], probe["field_drift"]), probe["utility_change"]
    if None in drifts or drifts[0] >= limits["embedding_drift"] or drifts[1] >= limits["field_drift"]:
        return False
    return gain["low"] <= 0 or gain["high"] < GAIN * (probe["utility"] - gain["mean"])


def refusal(probe: dict) -> str | None:
    """Return why a round may not stand, None where it may: profiles grew alike, or fewer can be parsed.

    Judged is the fall of the parse rate, not its level: what a model could never do is no fault of the round.
    Only a fall whose 95 % interval is below zero counts, so that few probes do not refuse by chance.
    """
    rank = probe["effective_rank"]["user"]
    if probe["effective_rank_before"] and rank < RANK_KEPT * probe["effective_rank_before"]:
        return f"effective rank of users' profiles {rank:.1f}, {probe['effective_rank_before']:.1f} before"
    for side, fall in (probe["parse_rate_change"] or {}).items():
        rate = probe["parse_rate"][side]
        if rate < PARSED and fall["high"] < 0:
            return f"parse rate of {side} profiles {rate:.3f}, {rate - fall['mean']:.3f} before"
    return None


def verdict(probe: dict, earlier: dict | None, limits: dict) -> dict:
    """Return what a round's figures mean, in the light of the verdict of the round before.

    steady: it changed little. converged: it and the round before did. refused: why it may not stand. retried:
    whether rounds were told to learn half as fast, which happens once. next: `continue`, `retry` (from the
    round that this one continued), or `end`.
    """
    refused, retried = refusal(probe), earlier is not None and earlier["retried"]
    steady = refused is None and is_steady(probe, limits)
    converged = steady and earlier is not None and earlier["steady"]
    if refused and not retried:
        following = "retry"
    else:
        following = "end" if converged or refused else "continue"
    return {
        "steady": steady, "converged": converged, "refused": refused, "retried": retried or refused is not None,
        "next": following,
    }  # fmt: skip


def choose(probes: list[dict]) -> dict:
    """Return the record of all rounds: the best of those after distillation by utility, the earliest of equals.

    A refused round cannot be it; where all are refused, distillation is. `shown`: the round whose item profiles
    its prompts showed. `stopped`: what was wrong where rounds ended by a second refusal.
    """
    rounds = range(1, len(probes))
    best = max([r for r in rounds if not probes[r]["refused"]] or [0], key=lambda r: (probes[r]["utility"], -r))
    return {
        "best": best,
        "shown": probes[best]["continues"],
        "converged": next((r for r in rounds if probes[r]["converged"]), None),
        "stopped": probes[-1]["refused"] if probes[-1]["next"] == "end" else None,
        "rounds": probes,
    }
