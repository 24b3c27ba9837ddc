"""What texts are worth for the tasks they are written for: how well they find what was held out."""

import numpy as np
import torch

from ptebench.profiles.measures.ranking import auc, gain, mid_ranks
from ptebench.profiles.measures.scorer import SHARP, Scorer, products, read_history
from ptebench.profiles.measures.tasks import Tasks


class Utility:
    """The utility of texts of one side, by a scorer that knows nothing of what the tasks hold out."""

    def __init__(self, tasks: Tasks, side: str, scorer: Scorer):
        self.tasks, self.side, self.scorer = tasks, side, scorer
        self.items = torch.from_numpy(np.concatenate([tasks.targets, tasks.others], 1))
        self.read = read_history(tasks.histories, scorer.cards.numpy())
        self.reference = self._level(None, np.arange(len(tasks.owners)))

    def __call__(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return what texts (B, d) of tasks (B,) add to the cards: a gain, of items a difference of AUC; (B,)."""
        now, reference = self._level(vectors, rows), self.reference[rows]
        return gain(now, reference) if self.side == "user" else now - reference

    def _level(self, vectors: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
        """Return the rank of the held-out item of users, or how well held-out readers of items are told from others."""
        at, texts = torch.from_numpy(rows), None
        if vectors is not None:
            texts = torch.from_numpy(np.asarray(vectors, dtype=np.float32)) - self.scorer.usual[self.side]
        if self.side == "user":
            scores = self.scorer.card_scores(self.read[at], self.items[at])
            if texts is not None:
                # what the words say themselves counts beside what was learned of texts: that may be nothing
                words = products(SHARP * texts, self.scorer.cards[self.items[at]])
                scores = scores + self.scorer.user_scores(texts, self.items[at]) + words
            return mid_ranks(scores.numpy())
        targets, others = self.tasks.targets[rows], self.tasks.others[rows]
        means = torch.from_numpy(self.tasks.judged[np.concatenate([targets, others], 1)]).float()
        scores = self.scorer.reader_scores(means, torch.from_numpy(self.tasks.owners[rows]), texts)
        return auc(scores[:, : targets.shape[1]].numpy(), scores[:, targets.shape[1] :].numpy(), targets, others)
