"""Which of two profiles is an owner's: a Bradley-Terry model of template profiles, an optional part of the reward.

A profile v scores w . (v * k) for an owner known by k, both of length one. What is chosen and what is rejected share k,
so -log sigmoid(score of the chosen - score of the rejected) is a logistic regression, without intercept, on the
difference of their products (Bradley & Terry, Biometrika 1952; as RecLM's reward model, with hard rejections alone).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ptebench.files import InputError, ragged
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import unit
from ptebench.profiles.measures.identification import NEAREST
from ptebench.profiles.measures.tasks import match_activity
from ptebench.profiles.schema.fields import FIELDS, layout, phrases
from ptebench.profiles.teachers.template import Template
from ptebench.randomness import generator

OWNERS = 512  # whose profiles are compared at most
LEARNED = 2 / 3  # share of the owners that the model is fitted on; the others measure it
FEWEST = 8
SLACK = 10.0  # of the weights; the accuracy is flat around it, and above it scores leave the slope of the sigmoid


@dataclass(frozen=True)
class Pairs:
    """Profiles that are an owner's, each beside one that nearly is."""

    owners: np.ndarray  # (n,) ids
    chosen: list[str]
    rejected: list[str]
    kinds: np.ndarray  # (n,) how the rejected one came about
    learned: np.ndarray  # (n,) whether the model is fitted on the pair; all pairs of an owner alike


def pairs(owners: list[int], template: dict, split: Split, signatures: np.ndarray, side: str, seed: int) -> Pairs:
    """Return the template profiles of owners, each beside up to four hard rejections.

    Rejected are the profile of another who chose, or was chosen, as often (`matched`); of the one among the NEAREST by
    `signatures` (k, d) whose phrases have least in common with the owner's (`neighbour`); the own with a field of the
    matched one's (`swapped`); and, of users, what the template writes from the older half of the history (`older`).
    template: fields by id. What equals the chosen one is no pair. Raises InputError where fewer than FEWEST are left.
    """
    random = generator(seed, f"preference {side}")
    values, offsets = split.ragged()
    if side == "user":
        often = np.zeros(max(split.train) + 1, dtype=np.int64)
        often[list(split.train)] = np.diff(offsets)
    else:
        often = np.bincount(values, minlength=split.items + 1)
    often[np.setdiff1d(np.arange(len(often)), list(template))] = 0
    owners = [o for o in owners if often[o]][:OWNERS]
    near = nearest(owners, signatures, np.flatnonzero(often).tolist(), NEAREST)
    older = {}
    if side == "user" and owners:
        halves = [split.train[u][: len(split.train[u]) // 2] for u in owners]
        profiles = Template(split.cards, values, offsets).users(*ragged(pl.Series(halves, dtype=pl.List(pl.Int64))))
        older = {u: fields for u, half, fields in zip(owners, halves, profiles) if half}

    def common(first, second):
        return len(set(phrases(template[first], side)) & set(phrases(template[second], side)))

    rows = []
    for place, owner in enumerate(owners):
        own, nearly = template[owner], {"older": older[owner]} if owner in older else {}
        if others := match_activity(random, often, np.array([owner]), np.array([owner]), 1):
            field, other = FIELDS[side][random.integers(2)], template[others[0]]
            nearly |= {"matched": other, "swapped": own | {field: other[field]}}
        if near[owner]:
            nearly["neighbour"] = template[min(near[owner], key=lambda n: common(owner, n))]
        text, learned = layout(own, side), place < LEARNED * len(owners)
        rows += [
            (owner, text, against, kind, learned)
            for kind, fields in nearly.items()
            if (against := layout(fields, side)) != text
        ]
    if len(owners) < FEWEST or not rows:
        raise InputError(
            f"language_models: grpo: weights: preference: {len(owners)} {side}s that GRPO does not train on have a "
            f"profile of the template, expected at least {FEWEST}; lower 'prompts' or leave 'preference' out"
        )
    ids, chosen, rejected, kinds, fitted = zip(*rows)
    return Pairs(np.array(ids), list(chosen), list(rejected), np.array(kinds), np.array(fitted))


class Preference:
    """A fitted model; `accuracy`: how often it prefers what is chosen, by kind, of owners that it was not fitted on."""

    def __init__(self, compared: Pairs, signatures: np.ndarray, encode):
        texts = list(dict.fromkeys([*compared.chosen, *compared.rejected]))
        place, vectors = {text: p for p, text in enumerate(texts)}, encode(texts)
        owners = signatures[compared.owners]
        chosen, rejected = (
            self._products(vectors[[place[t] for t in side]], owners) for side in (compared.chosen, compared.rejected)
        )
        difference, learned = chosen - rejected, compared.learned
        rows = np.concatenate([difference[learned], -difference[learned]])
        labels = np.repeat([1, 0], learned.sum())
        self.weights = LogisticRegression(C=SLACK, fit_intercept=False, max_iter=1000).fit(rows, labels).coef_[0]
        self.usual = float((chosen[learned] @ self.weights).mean())
        right = difference @ self.weights > 0
        kinds = {kind: (compared.kinds == kind) & ~learned for kind in np.unique(compared.kinds).tolist()}
        self.accuracy = {kind: round(float(right[of].mean()), 3) for kind, of in kinds.items() if of.any()}

    @staticmethod
    def _products(vectors: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """Return v * k (n, d)."""
        return unit(vectors) * unit(owners)

    def __call__(self, vectors: np.ndarray, owners: np.ndarray) -> np.ndarray:
        """Return 2 x the chance that a profile (B, d) is preferred to a usual one of the template - 1; (B,).

        owners: (B, d) what the owners are known by.
        """
        return 2 * expit(self._products(vectors, owners) @ self.weights - self.usual) - 1
