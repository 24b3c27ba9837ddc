"""How far the evidence supports what a profile says."""

import re

import numpy as np

from ptebench.profiles.evidence.vectors import unit

CHANCE = 0.95  # quantile of the support of strangers' phrases that a phrase must reach
COPIED = 0.5  # share of copied words' sequences from which a text counts as copied
GRAM = 5  # words of such a sequence
WORD = re.compile(r"\w+")


def phrase_vectors(profiles: list[list[str]], encode) -> np.ndarray:
    """Return the vectors (B, P, d) of the P phrases of each of B profiles."""
    return encode([phrase for own in profiles for phrase in own]).reshape(len(profiles), len(profiles[0]), -1)


def support(vectors: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Return the cosine of each phrase with the evidence that is nearest to it.

    vectors: (B, P, d) of the phrases of B profiles. evidence: (B, H, d) of what each was written from, rows of zeros
    where there is less; a profile without any evidence has support -1. Returns (B, P).
    """
    cosines = unit(vectors) @ unit(evidence).swapaxes(1, 2)
    return np.where(np.expand_dims(evidence.any(-1), 1), cosines, -1.0).max(-1)


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
