"""The judge of the texts of one side, made from a split and an encoder."""

from collections.abc import Callable

import numpy as np

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.preference import Pairs, Preference, pairs
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.grpo.tasks import Tasks, item_tasks, last_items, user_tasks
from ptebench.profiles.measures.faithfulness import chance_support, strangers

TASKS: dict[str, Callable[..., Tasks]] = {"user": user_tasks, "item": item_tasks}


def judge_of(tasks: Tasks, others: dict, compared: Pairs | None, encode, spec: dict, fresh=None) -> Judge:
    """Return the judge of tasks in the space of an encoder, fitted as far as the weights ask for it.

    others: `strangers`. compared: template profiles and their rejections. fresh: encodes the texts that are judged.
    """
    side, weights = spec["side"], spec["grpo"]["weights"]
    threshold = None
    if weights["faithfulness"]:
        threshold = chance_support(others, side, tasks.owners, tasks.sources[tasks.evidence], encode, spec["seed"])
    prefer = Preference(compared, tasks.known, encode) if compared else None
    return Judge(tasks, fresh or encode, side, weights, threshold, prefer)


def compared_pairs(pool: list[int], template: dict, split: Split, tasks: Tasks, spec: dict) -> Pairs | None:
    """Return the pairs of owners of the pool that GRPO does not train on; None where no weight asks for them."""
    settings = spec["grpo"]
    if not settings["weights"]["preference"]:
        return None
    return pairs(pool[: -settings["prompts"]], template, split, tasks.known, spec["side"], spec["seed"])


def training_judge(split: Split, cards: np.ndarray, evidence: dict, template: dict, encoder, spec: dict) -> Judge:
    """Return the judge of the owners that GRPO trains on: those that fine-tuning takes last.

    evidence: profiles of the other side by id, as prompts show them. template: those of this side.
    """
    side, seed, settings = spec["side"], spec["seed"], spec["grpo"]
    drawn = draw(split, seed, spec["probes"])
    rest, ids = split.without(drawn.held), drawn.pool[side][::-1][: settings["prompts"]]
    owners = last_items(ids, rest, seed) if side == "user" else ids
    tasks = TASKS[side](owners, rest, evidence, cards, spec, settings["candidates"])
    compared = compared_pairs(drawn.pool[side], template, rest, tasks, spec)
    # a resumed run has not encoded what the run before it had
    return judge_of(tasks, strangers(template, side, rest, seed), compared, encoder, spec, encoder.fresh)
