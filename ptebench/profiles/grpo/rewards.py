"""The reward of a text, in components: one pass of frozen encoders over a batch.

The gate decides first: a text outside the grammar earns less than any within it and is measured by nothing else.
"""

from typing import cast

import numpy as np
from scipy.special import log_softmax

from ptebench.profiles.evidence.vectors import unit
from ptebench.profiles.measures.diversity import effective_rank, likeness
from ptebench.profiles.measures.faithfulness import copying, faithfulness, phrase_vectors, support
from ptebench.profiles.measures.identification import identification
from ptebench.profiles.measures.ranking import ranks
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.measures.tasks import Tasks
from ptebench.profiles.measures.utility import Utility
from ptebench.profiles.schema.fields import phrases, strict

SHORT, LONG = (5, 20), (80, 128)  # tokens: -1 and 0 at the short end, 0 and -1 at the long one
SHARE = ("faithfulness", "identification", "length", "preference", "nearer", "title")
COMPONENTS = {side: (task, *SHARE) for side, task in {"user": "rank", "item": "auc"}.items()}
GUARDS = ("faithfulness", "identification")  # which pay up to what the template earns
BELOW = 0.1  # by which a text outside the schema earns less than the worst that one within it can
SHARP = 20.0  # what a cosine counts in the contrast of `nearer`


def gate(texts: list[str], side: str) -> list[float]:
    """Return 0 for a text in the schema and -1 for any other."""
    return [0.0 if strict(t.strip(), side) else -1.0 for t in texts]


def length(tokens: np.ndarray) -> np.ndarray:
    """Return 0 for a usual number of tokens, falling in a straight line to -1 at either end (SHORT, LONG)."""
    return np.interp(tokens, [*SHORT, *LONG], [-1.0, 0.0, 0.0, -1.0])


def over_smoothing(likenesses: np.ndarray, usual: float) -> np.ndarray:
    """Return the penalty of texts that are more like those of others than usual: 0.5 x the excess; (B,)."""
    return 0.5 * np.maximum(np.nan_to_num(likenesses - usual), 0)


def nearer(vectors: np.ndarray, judged: np.ndarray, targets: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how much nearer texts (B, d) are to what was held out than to others: 1 at best, 0 as by chance; (B,).

    It is 1 less the contrastive loss over that of a guess, -1 at least. targets, others: ids in `judged`, 0 for none.
    """
    ids = np.concatenate([targets, others], 1)
    scores = SHARP * np.einsum("bd,bcd->bc", unit(vectors), unit(judged[ids]))
    chances = log_softmax(np.where(ids > 0, scores, -np.inf), axis=1)[:, : targets.shape[1]]
    loss = -np.where(targets > 0, chances, 0).sum(1) / (targets > 0).sum(1)
    return np.maximum(1 - loss / np.log((ids > 0).sum(1)), -1)


class Judge:
    """The components of the reward of one side, those of weight 0 left out.

    encode(texts) -> (n, d) in the space of the tasks' vectors. threshold: `chance_support`. prefer: a fitted
    `Preference`. scorer: a `Scorer` that knows nothing of what the tasks hold out. likely(texts, rows) -> (B,): how
    much likelier a text makes the title of what its task holds out. Each is None where no component asks for it.
    `caps`: component -> (T,), the most that a text of each task earns by it; NaN for no bound.
    """

    def __init__(
        self, tasks: Tasks, encode, side: str, weights: dict, threshold: float | None = None, prefer=None,
        scorer: Scorer | None = None, likely=None,
    ):  # fmt: skip
        self.tasks, self.encode, self.side, self.threshold, self.prefer = tasks, encode, side, threshold, prefer
        self.likely, self.caps = likely, dict[str, np.ndarray]()
        self.components = [c for c in COMPONENTS[side] if weights[c] > 0 and (c != "title" or likely)]
        # a text within the schema earns more than one outside, whatever else it says
        least = sum(weights[c] for c in self.components) + BELOW
        self.weights = {"schema": least} | {c: weights[c] for c in self.components}
        self.utility = None if scorer is None else Utility(tasks, side, scorer)

    @property
    def task(self) -> str:
        """The component that says what the profiles are for."""
        return next((c for c in (COMPONENTS[self.side][0], "nearer", "preference") if c in self.weights), "schema")

    def __call__(self, texts: list[str], rows, tokens, usual: float | None = None) -> tuple[dict, dict]:
        """Judge B texts.

        rows: (B,) the task of each text. tokens: (B,) its length. usual: the likeness among texts before any training;
        that of these texts where None. Returns (component -> (B,), NaN where the gate is shut; what the open texts
        have in common: `likeness` and `effective_rank`, NaN where there are too few).
        """
        texts, rows, tokens = [t.strip() for t in texts], np.asarray(rows), np.asarray(tokens)
        components = {"schema": np.array(gate(texts, self.side))}
        components |= {c: np.full(len(texts), np.nan) for c in self.components}
        together = {"likeness": float("nan"), "effective_rank": float("nan")}
        open_ = np.flatnonzero(components["schema"] == 0)
        if not len(open_):
            return components, together
        texts, rows, tokens = [texts[p] for p in open_], rows[open_], tokens[open_]
        profiles = [phrases(cast(dict, strict(t, self.side)), self.side) for t in texts]  # the gate says that they are
        # apart from the texts: phrases are short, and a batch is as wide as its longest
        spans = phrase_vectors(profiles, self.encode) if "faithfulness" in self.components else None
        vectors = self.encode(texts)
        alike = likeness(vectors, self.tasks.owners[rows])
        if not np.isnan(alike).all():
            together["likeness"] = float(np.nanmean(alike))
        if len(texts) > 1:
            together["effective_rank"] = effective_rank(vectors)
        usual = together["likeness"] if usual is None else usual

        def faithful():
            assert spans is not None and self.threshold is not None
            evidence = self.tasks.sources[self.tasks.evidence[rows]]
            supports = support(spans, evidence)
            return faithfulness(supports, self.threshold, copying(profiles, [self.tasks.prompts[r] for r in rows]))

        def useful():
            assert self.utility is not None
            return self.utility(vectors, rows)

        def identified():
            scores = identification(ranks(vectors, self.tasks.signatures, self.tasks.crowd[rows]))
            return scores - over_smoothing(alike, usual)

        measures = {
            COMPONENTS[self.side][0]: useful,
            "faithfulness": faithful, "identification": identified, "length": lambda: length(tokens),
            "preference": lambda: self.prefer(vectors, self.tasks.signatures[self.tasks.owners[rows]]),
            "nearer": lambda: nearer(vectors, self.tasks.judged, self.tasks.targets[rows], self.tasks.others[rows]),
            "title": lambda: self.likely(texts, rows),
        }  # fmt: skip
        for name in self.components:
            components[name][open_] = measures[name]()
            if name in self.caps:
                components[name][open_] = np.fmin(components[name][open_], self.caps[name][rows])
        return components, together

    def total(self, components: dict) -> np.ndarray:
        """Return the weighted sum of components (B,), as the trainer takes it: the least where the gate is shut."""
        return np.nansum([w * components[name] for name, w in self.weights.items()], 0)
