"""What a profile is worth: pure measures of texts, phrases and vectors, each in [-1, 1] where it is a reward.

The gate decides first: a text outside the grammar earns -1 and is measured by nothing else.
"""

import re

import numpy as np

from ptebench.profiles.parse import FIELDS, strict
from ptebench.profiles.rounds import unit

SHORT, LONG = (5, 20), (80, 128)  # tokens: -1 and 0 at the short end, 0 and -1 at the long one
CHANCE = 0.95  # quantile of the support of strangers' phrases that a phrase must reach
COPIED = 0.5  # share of copied words' sequences from which a text counts as copied
GRAM = 5  # words of such a sequence
WORD = re.compile(r"\w+")


def gate(texts: list[str], side: str) -> list[float]:
    """Return 0 for a text in the schema and -1 for any other."""
    return [0.0 if strict(t.strip(), side) else -1.0 for t in texts]


def phrases(fields: dict, side: str) -> list[str]:
    """Return the phrases of a profile's fields in the schema's order, equally many for every profile of a side."""
    return [phrase for field in FIELDS[side] for phrase in fields[field]]


def gain(rank: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return how much nearer to the top a rank is than a reference, as a difference of 1 / log2(1 + rank)."""
    return 1 / np.log2(1 + rank) - 1 / np.log2(1 + reference)


def length(tokens: np.ndarray) -> np.ndarray:
    """Return 0 for a usual number of tokens, falling in a straight line to -1 at either end (SHORT, LONG)."""
    return np.interp(tokens, [*SHORT, *LONG], [-1.0, 0.0, 0.0, -1.0])


def support(vectors: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Return the cosine of each phrase with the evidence that is nearest to it.

    vectors: (B, P, d) of the phrases of B profiles. evidence: (B, H, d) of what each was written from, rows of zeros
    where there is less; a profile without any evidence has support -1. Returns (B, P).
    """
    cosines = unit(vectors) @ unit(evidence).swapaxes(1, 2)
    return np.where(evidence.any(-1)[:, None], cosines, -1.0).max(-1)


def chance_support(vectors: np.ndarray, evidence: np.ndarray) -> float:
    """Return the support that strangers' phrases reach by chance: the threshold of `faithfulness`.

    vectors: (B, P, d), row b of anybody but the owner of row b of evidence (B, H, d).
    """
    return float(np.quantile(support(vectors, evidence), CHANCE))


def copied(profiles: list[list[str]], prompts: list[str]) -> np.ndarray:
    """Return the share of each profile's sequences of five words that stand in its prompt.

    Sequences do not reach across phrases; a phrase of fewer words counts as one that is not copied, so that naming a
    category is no copying and repeating titles is. Returns (B,).
    """

    def grams(text):
        words = WORD.findall(text.lower())
        return [tuple(words[p : p + GRAM]) for p in range(len(words) - GRAM + 1)]

    shown = {prompt: set(grams(prompt)) for prompt in dict.fromkeys(prompts)}
    shares = []
    for own, prompt in zip(profiles, prompts):
        found = [g in shown[prompt] for phrase in own for g in grams(phrase) or [None]]
        shares.append(sum(found) / max(1, len(found)))
    return np.array(shares)


def faithfulness(supports: np.ndarray, threshold: float, copies: np.ndarray) -> np.ndarray:
    """Return 2 x the share of phrases whose support reaches the threshold - 1, less 0.5 for a copied text; (B,).

    supports: (B, P) of `support`. copies: (B,) of `copied`.
    """
    reached = 2 * (supports >= threshold).mean(1) - 1
    return np.maximum(reached - 0.5 * (copies > COPIED), -1)


def identification(rank: np.ndarray) -> np.ndarray:
    """Return 1 / log2(1 + rank) of the owner among a crowd, ranked by what each of them is known by."""
    return 1 / np.log2(1 + rank)


def likeness(vectors: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the mean cosine of each text (B, d) with the texts of other owners; NaN where there are none. (B,)."""
    other = owners[:, None] != owners[None]
    cosines = unit(vectors) @ unit(vectors).T
    with np.errstate(invalid="ignore"):
        return (cosines * other).sum(1) / other.sum(1)


def over_smoothing(likenesses: np.ndarray, usual: float) -> np.ndarray:
    """Return the penalty of texts that are more like those of others than usual: 0.5 x the excess; (B,)."""
    return 0.5 * np.maximum(np.nan_to_num(likenesses - usual), 0)


def auc(queries: np.ndarray, vectors: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Return for each query the share of pairs in which a positive is nearer than a negative, ties counting half.

    queries: (B, d). vectors: (n, d). positives: (B, K) and negatives: (B, C) rows of vectors, 0 for none. Returns (B,).
    """
    wanted, others = (np.einsum("bd,bcd->bc", unit(queries), unit(vectors[ids])) for ids in (positives, negatives))
    above = (wanted[:, :, None] > others[:, None]) + 0.5 * (wanted[:, :, None] == others[:, None])
    pairs = (positives > 0)[:, :, None] & (negatives > 0)[:, None]
    return (above * pairs).sum((1, 2)) / pairs.sum((1, 2))
