"""How far the evidence supports what a profile says; cards alone are evidence, never what another model wrote."""

import re

import numpy as np

from ptebench.profiles.evidence.prompts import evidence_text
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import padded, unit
from ptebench.profiles.schema.fields import phrases
from ptebench.randomness import generator

CHANCE = 0.95  # quantile of the support of strangers' phrases that a phrase must reach
STRANGERS = 128  # whose phrases meet evidence that is not theirs, at most
RUN = 3  # words from which a sequence of the evidence is copied
WORD = re.compile(r"\w+")


def evidence_of(owners: list[int], side: str, split: Split, spec: dict) -> np.ndarray:
    """Return (B, H) items, 0 for none, whose cards may support what is said of each owner.

    Of a user: the newest training items that prompts show. Of an item: itself, and the newest items of its readers that
    prompts show.
    """

    def newest(user):
        return split.cards.newest(split.train[user], spec["history"])

    if side == "user":
        return padded(list(map(newest, owners)))
    readers = split.readers(spec["neighbours"], spec["seed"])
    return padded([[i, *dict.fromkeys(j for u in readers.get(i, []) for j in newest(u))] for i in owners])


def phrase_vectors(profiles: list[list[str]], encode) -> np.ndarray:
    """Return the vectors (B, P, d) of the phrases of each of B profiles, NaN where one has fewer than P."""
    flat = encode([phrase for own in profiles for phrase in own])
    vectors = np.full((len(profiles), max(map(len, profiles)), flat.shape[1]), np.nan, dtype=flat.dtype)
    for row, of in zip(vectors, np.split(flat, np.cumsum([len(own) for own in profiles])[:-1])):
        row[: len(of)] = of
    return vectors


def support(vectors: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    """Return the cosine of each phrase with the evidence that is nearest to it.

    vectors: (B, P, d) of the phrases of B profiles. evidence: (B, H, d) of what each was written from, rows of zeros
    where there is less; a profile without any evidence has support -1. Returns (B, P), NaN where there is no phrase.
    """
    cosines = unit(vectors) @ unit(evidence).swapaxes(1, 2)
    nearest = np.where(np.expand_dims(evidence.any(-1), 1), cosines, -1.0).max(-1)
    return np.where(np.isnan(vectors).any(-1), np.nan, nearest)


def strangers(template: dict, side: str, split: Split, seed: int) -> dict[int, dict]:
    """Return the fields of up to STRANGERS template profiles of training owners, drawn by seed, by id."""
    members = split.train if side == "user" else set(split.warm().tolist())
    ids = [i for i in sorted(template) if i in members]
    sample = generator(seed, f"strangers {side}").permutation(ids)[:STRANGERS]
    return {i: template[i] for i in sorted(sample.tolist())}


def chance_support(others: dict[int, dict], side: str, owners: np.ndarray, evidence: np.ndarray, encode, seed: int):
    """Return the support that strangers' phrases reach by chance: the threshold of `faithfulness`.

    others: `strangers`; each meets the evidence (T, H, d) of one of the owners (T,), who is somebody else.
    """
    random, ids = generator(seed, f"evidence of strangers {side}"), np.array(list(others))
    rows = random.integers(len(owners), size=len(ids))
    rows, ids = (part[np.asarray(owners)[rows] != ids] for part in (rows, ids))
    vectors = phrase_vectors([phrases(others[i], side) for i in ids.tolist()], encode)
    return float(np.quantile(support(vectors, evidence[rows]), CHANCE))


def copying(profiles: list[list[str]], prompts: list[str]) -> np.ndarray:
    """Return the share of each profile's words that stand in a run of RUN or more words of its prompt's evidence; (B,).

    Runs do not reach across phrases: to name a category is no copying, to repeat a piece of a title is.
    """

    def runs(words):
        return [tuple(words[p : p + RUN]) for p in range(len(words) - RUN + 1)]

    sources = {
        prompt: {run for line in evidence_text(prompt).lower().split("\n") for run in runs(WORD.findall(line))}
        for prompt in dict.fromkeys(prompts)
    }
    shares = []
    for own, prompt in zip(profiles, prompts):
        copies = []
        for words in (WORD.findall(phrase.lower()) for phrase in own):
            within = np.zeros(len(words), dtype=bool)
            for place, run in enumerate(runs(words)):
                within[place : place + RUN] |= run in sources[prompt]
            copies += within.tolist()
        shares.append(sum(copies) / max(1, len(copies)))
    return np.array(shares)


def faithfulness(supports: np.ndarray, threshold: float, copies: np.ndarray) -> np.ndarray:
    """Return 2 x the share of phrases whose support reaches the threshold - 1, less the share of copied words; (B,).

    supports: (B, P) of `support`. copies: (B,) of `copying`. What is copied whole earns 0 at most; the least is -1.
    """
    share = (supports >= threshold).sum(1) / np.isfinite(supports).sum(1)
    return np.maximum(2 * share - 1 - copies, -1)
