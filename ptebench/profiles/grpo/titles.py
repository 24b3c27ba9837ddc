"""How much likelier a profile makes the title of the item that its owner chose next (after BLUE, arXiv 2605.06981)."""

from collections.abc import Callable

import numpy as np
import torch

from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.measures.tasks import Tasks
from ptebench.profiles.models.tokens import rows_of

NEXT = "A person is described. Name what the person chooses next."
BATCH = 16


def titles_of(model, tokenizer, cards: Cards, context: int) -> Callable[[Tasks], Callable]:
    """Return a function of users' tasks to one of texts and rows: how much likelier each text makes the next title.

    The model reads without its adapter. The mean log-likelihood of a token of the title behind the text, less that
    without any text, as a hyperbolic tangent: (B,) in [-1, 1].
    """

    def chances(pairs: list[tuple[str, str]]) -> np.ndarray:
        means = []
        with torch.inference_mode(), model.disable_adapter():
            for row in rows_of(pairs, tokenizer, context):
                ids = torch.tensor([row.ids], device=model.device)
                scores = torch.log_softmax(model(input_ids=ids).logits[0, row.start - 1 : -1].float(), -1)
                means.append(float(scores.gather(1, ids[0, row.start :, None]).mean()))
        return np.array(means)

    def of_tasks(tasks: Tasks) -> Callable:
        names = [cards.title[i] for i in tasks.targets[:, 0].tolist()]
        alone = chances([(NEXT, name) for name in names])

        def likely(texts: list[str], rows: np.ndarray) -> np.ndarray:
            training = model.training
            model.eval()
            now = chances([(f"{NEXT}\n{text}", names[row]) for text, row in zip(texts, rows.tolist())])
            model.train(training)
            return np.tanh(now - alone[rows])

        return likely

    return of_tasks
