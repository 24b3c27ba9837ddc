"""Targets of later rounds: of some owners the best of several sampled answers, by what it adds to the cards."""

import numpy as np

from ptebench.profiles.decoding.decode import Sampling
from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.evidence.prompts import messages
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.measures.tasks import Tasks, item_tasks, user_tasks
from ptebench.profiles.measures.utility import Utility
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.schema.parse import repaired

COUNT, TEMPERATURE = 4, 0.7  # answers that are sampled of an owner, and how
OTHERS = 49  # that what is held out is ranked against


def tasks_of(ids: list[int], split: Split, fields: dict, cards: np.ndarray, spec: dict) -> Tasks:
    """Return what owners are asked: users without their last item, items without the readers held out of them.

    fields: profiles of the other side by id, as prompts show them.
    """
    if spec["side"] == "item":
        return item_tasks(ids, split, fields, cards, spec, OTHERS)
    readers = split.readers(spec["neighbours"], spec["seed"])
    return user_tasks([(u, split.train[u][-1]) for u in ids], split, fields, cards, spec, OTHERS, readers)


def sample(model, tokenizer, prompts: list[str], limit: int, batch: int, seed: int) -> list[list[str]]:
    """Return COUNT sampled answers to each prompt, of at most `limit` tokens; the same of the same seed."""
    answers = generate(model, tokenizer, prompts, limit, batch, sampling=Sampling(COUNT, TEMPERATURE, seed))
    texts = [text_of(tokens, tokenizer) for tokens in answers]
    return [texts[place : place + COUNT] for place in range(0, len(texts), COUNT)]


def best_of(answers: list[list[str]], utility: Utility, encode) -> dict[int, str]:
    """Return for each task that has a profile among its answers the one of highest utility, the first of equals."""
    rows, texts = [], []
    for row, of in enumerate(answers):
        for answer in of:
            fields, _ = repaired(answer.strip(), utility.side)
            if fields is not None:
                rows.append(row)
                texts.append(layout(fields, utility.side))
    if not texts:
        return {}
    worth = utility(encode(texts), np.array(rows))
    best: dict[int, int] = {}
    for place, row in enumerate(rows):
        if row not in best or worth[place] > worth[best[row]]:
            best[row] = place
    return {row: texts[place] for row, place in best.items()}


def refresh(
    rows: list[dict], split: Split, fields: dict, cards: np.ndarray, encode, model, tokenizer, spec: dict
) -> tuple[list[dict], dict]:
    """Return instructions of which the first `refresh` of one turn have new answers, and counts.

    Where no sampled answer is a profile the teacher's stays. split: without what is held out of the probes, whom none
    of this concerns.
    """
    side, limit = spec["side"], spec["new_tokens"][spec["side"]]
    ids = [row["id"] for row in rows if "dialogue" not in row][: spec["tuning"]["refresh"]]
    tasks = tasks_of(ids, split, fields, cards, spec)
    prompts = fitted(tasks.prompts, tokenizer, spec["context"] - limit)
    answers = sample(model, tokenizer, prompts, limit, spec["write_batch"], spec["seed"])
    best = best_of(answers, Utility(tasks, side, Scorer(tasks.rest, cards, encode, spec["seed"])), encode)
    new = {
        int(tasks.owners[k]): {"prompt": messages(prompts[k]), "completion": [{"role": "assistant", "content": text}]}
        for k, text in best.items()
    }
    anew = [row if "dialogue" in row else row | new.get(row["id"], {}) for row in rows]
    return anew, {"asked": len(tasks.owners), "refreshed": len(new)}
