"""The reward of a text, in components: one pass of frozen encoders over a batch.

The gate decides first: a text outside the grammar earns -1 and is measured by nothing else.
"""

from typing import cast

import numpy as np

from ptebench.profiles.grpo.tasks import Tasks
from ptebench.profiles.measures.diversity import effective_rank, likeness
from ptebench.profiles.measures.faithfulness import copied, faithfulness, phrase_vectors, support
from ptebench.profiles.measures.identification import identification
from ptebench.profiles.measures.ranking import auc, gain, ranks
from ptebench.profiles.schema.fields import phrases, strict

SHORT, LONG = (5, 20), (80, 128)  # tokens: -1 and 0 at the short end, 0 and -1 at the long one
COMPONENTS = {side: (task, "faithfulness", "identification", "length", "preference") for side, task in
              {"user": "rank", "item": "auc"}.items()}  # fmt: skip


def gate(texts: list[str], side: str) -> list[float]:
    """Return 0 for a text in the schema and -1 for any other."""
    return [0.0 if strict(t.strip(), side) else -1.0 for t in texts]


def length(tokens: np.ndarray) -> np.ndarray:
    """Return 0 for a usual number of tokens, falling in a straight line to -1 at either end (SHORT, LONG)."""
    return np.interp(tokens, [*SHORT, *LONG], [-1.0, 0.0, 0.0, -1.0])


def over_smoothing(likenesses: np.ndarray, usual: float) -> np.ndarray:
    """Return the penalty of texts that are more like those of others than usual: 0.5 x the excess; (B,)."""
    return 0.5 * np.maximum(np.nan_to_num(likenesses - usual), 0)


class Judge:
    """The components of the reward of one side, those of weight 0 left out.

    encode(texts) -> (n, d) in the space of the tasks' vectors. threshold: `chance_support`. prefer: a fitted
    `Preference`. Either is None where no component asks for it.
    """

    def __init__(self, tasks: Tasks, encode, side: str, weights: dict, threshold: float | None, prefer=None):
        self.tasks, self.encode, self.side, self.threshold, self.prefer = tasks, encode, side, threshold, prefer
        self.components = [c for c in COMPONENTS[side] if weights[c] > 0]
        self.weights = {"schema": 1.0} | {c: weights[c] for c in self.components}
        self.reference = self._utility(tasks.known[tasks.owners], np.arange(len(tasks.owners)))

    def _utility(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the rank of the held-out item (users), or how well held-out readers are told from others (items)."""
        wanted, others = self.tasks.wanted[rows], self.tasks.others[rows]
        if self.side == "user":
            return ranks(vectors, self.tasks.judged, np.concatenate([wanted, others], 1))
        return auc(vectors, self.tasks.judged, wanted, others)

    def __call__(self, texts: list[str], rows, tokens, usual: float | None = None) -> tuple[dict, dict]:
        """Judge B texts.

        rows: (B,) the task of each text. tokens: (B,) its length. usual: the likeness among texts before any training;
        that of these texts where None. Returns (component -> (B,), NaN where the gate is shut; what the open texts
        have in common: `likeness` and `effective_rank`, NaN where there are too few).
        """
        texts, rows, tokens = [t.strip() for t in texts], np.asarray(rows), np.asarray(tokens)
        found = {"schema": np.array(gate(texts, self.side))}
        found |= {c: np.full(len(texts), np.nan) for c in self.components}
        together = {"likeness": float("nan"), "effective_rank": float("nan")}
        open_ = np.flatnonzero(found["schema"] == 0)
        if not len(open_):
            return found, together
        texts, rows, tokens = [texts[p] for p in open_], rows[open_], tokens[open_]
        profiles = [phrases(cast(dict, strict(t, self.side)), self.side) for t in texts]  # the gate says that they are
        # apart from the texts: phrases are short, and a batch is as wide as its longest
        said = phrase_vectors(profiles, self.encode) if "faithfulness" in self.components else None
        vectors = self.encode(texts)
        alike = likeness(vectors, self.tasks.owners[rows])
        if not np.isnan(alike).all():
            together["likeness"] = float(np.nanmean(alike))
        if len(texts) > 1:
            together["effective_rank"] = effective_rank(vectors)
        usual = together["likeness"] if usual is None else usual

        def faithful():
            assert said is not None and self.threshold is not None
            shown = self.tasks.sources[self.tasks.evidence[rows]]
            supports = support(said, shown)
            return faithfulness(supports, self.threshold, copied(profiles, [self.tasks.prompts[r] for r in rows]))

        def identified():
            found = identification(ranks(vectors, self.tasks.known, self.tasks.crowd[rows]))
            return found - over_smoothing(alike, usual)

        measures = {
            "rank": lambda: gain(self._utility(vectors, rows), self.reference[rows]),
            "auc": lambda: self._utility(vectors, rows) - self.reference[rows],
            "faithfulness": faithful, "identification": identified, "length": lambda: length(tokens),
            "preference": lambda: self.prefer(vectors, self.tasks.known[self.tasks.owners[rows]]),
        }  # fmt: skip
        for name in self.components:
            found[name][open_] = measures[name]()
        return found, together

    def total(self, found: dict) -> np.ndarray:
        """Return the weighted sum of components (B,), as the trainer takes it: -1 where the gate is shut."""
        return np.nansum([w * found[name] for name, w in self.weights.items()], 0)
