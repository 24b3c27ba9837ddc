"""The judge of the texts of one side, made from a split and an encoder."""

import numpy as np

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.preference import Pairs, Preference, pairs
from ptebench.profiles.grpo.rewards import COMPONENTS, Judge
from ptebench.profiles.measures.faithfulness import chance_support, strangers
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.measures.tasks import Tasks, item_tasks, last_items, user_tasks


def judge_of(tasks: Tasks, others: dict, compared: Pairs | None, cards, encode, spec: dict, fresh=None, likely=None):
    """Return the judge of tasks in the space of an encoder, fitted as far as the weights ask for it.

    others: `strangers`. compared: template profiles and their rejections. cards: (n_items + 1, d). fresh: encodes the
    texts that are judged. likely: of `Judge`.
    """
    side, weights, seed = spec["side"], spec["grpo"]["weights"], spec["seed"]
    threshold = None
    if weights["faithfulness"]:
        threshold = chance_support(others, side, tasks.owners, tasks.sources[tasks.evidence], encode, seed)
    prefer = Preference(compared, tasks.signatures, encode) if compared else None
    scorer = Scorer(tasks.rest, cards, encode, seed) if weights[COMPONENTS[side][0]] else None
    return Judge(tasks, fresh or encode, side, weights, threshold, prefer, scorer, likely)


def compared_pairs(pool: list[int], template: dict, split: Split, tasks: Tasks, spec: dict) -> Pairs | None:
    """Return the pairs of owners of the pool that GRPO does not train on; None where no weight asks for them."""
    settings = spec["grpo"]
    if not settings["weights"]["preference"]:
        return None
    return pairs(pool[: -settings["prompts"]], template, split, tasks.signatures, spec["side"], spec["seed"])


def training_tasks(split: Split, cards: np.ndarray, evidence: dict, spec: dict) -> tuple[Tasks, Split, list[int]]:
    """Return the tasks of the owners that GRPO trains on, those that fine-tuning takes last; the split; the pool.

    evidence: profiles of the other side by id, as prompts show them.
    """
    side, seed, settings = spec["side"], spec["seed"], spec["grpo"]
    roles = draw(split, seed, spec["probes"])
    rest, pool = split.without(roles.pairs), roles.pool[side]
    ids, size = pool[::-1][: settings["prompts"]], settings["candidates"]
    if side == "item":
        return item_tasks(ids, rest, evidence, cards, spec, size), rest, pool
    readers = rest.readers(spec["neighbours"], seed)
    return user_tasks(last_items(ids, rest), rest, evidence, cards, spec, size, readers), rest, pool


def training_judge(
    split: Split, cards: np.ndarray, evidence: dict, template: dict, encoder, spec: dict, titles=None
) -> Judge:
    """Return the judge of the owners that GRPO trains on.

    evidence: profiles of the other side by id, as prompts show them. template: those of this side. titles(tasks) ->
    what `Judge` takes as `likely`.
    """
    side, seed = spec["side"], spec["seed"]
    tasks, rest, pool = training_tasks(split, cards, evidence, spec)
    compared = compared_pairs(pool, template, rest, tasks, spec)
    others, likely = strangers(template, side, rest, seed), titles and titles(tasks)
    # a resumed run has not encoded what the run before it had
    return judge_of(tasks, others, compared, cards, encoder, spec, encoder.fresh, likely)
