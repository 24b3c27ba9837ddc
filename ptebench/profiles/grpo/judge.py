"""The judge of the texts of one side, made from a split and an encoder."""

import numpy as np
import polars as pl

from ptebench.files import ragged
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.preference import Pairs, Preference, pairs
from ptebench.profiles.grpo.rewards import COMPONENTS, GUARDS, LONG, Judge
from ptebench.profiles.grpo.watch import OWNERS
from ptebench.profiles.measures.faithfulness import chance_support, strangers
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.measures.tasks import Tasks, item_tasks, last_items, user_tasks
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.teachers.template import Template


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
    judge = Judge(tasks, fresh or encode, side, weights, threshold, prefer, scorer, likely)
    judge.caps = caps_of(tasks, encode, side, weights, threshold)
    return judge


def template_texts(tasks: Tasks, side: str) -> dict[int, str]:
    """Return what the template says for each task, by its row, of what the task does not hold out."""
    template = Template(tasks.rest.cards, *tasks.rest.ragged())
    if side == "user":
        profiles = template.users(*ragged(pl.Series(tasks.histories, dtype=pl.List(pl.Int64))))
    else:
        profiles = template.items(tasks.owners)
    return {row: layout(fields, side) for row, fields in enumerate(profiles) if fields}


def caps_of(tasks: Tasks, encode, side: str, weights: dict, threshold: float | None) -> dict[str, np.ndarray]:
    """Return what the template earns by each guard in every task, NaN where it says nothing.

    Random words and pieces of titles earn more by them than any profile. As guards they hold what the template has and
    leave what is beyond it to the component that says what profiles are for.
    """
    guards = Judge(tasks, encode, side, weights | {c: 0.0 for c in weights if c not in GUARDS}, threshold)
    if not guards.components:
        return {}
    texts = template_texts(tasks, side)
    values, _ = guards(list(texts.values()), list(texts), [LONG[0]] * len(texts), 1.0)
    caps = {c: np.full(len(tasks.owners), np.nan) for c in guards.components}
    for component, cap in caps.items():
        cap[list(texts)] = values[component]
    return caps


def parted(pool: list[int], prompts: int) -> tuple[list[int], list[int], list[int]]:
    """Return whom of the pool GRPO trains on, those that fine-tuning takes last; whom it watches; and all others."""
    order = pool[::-1]
    left = order[prompts:]
    watched = left[: min(OWNERS, len(left) // 3)]
    return order[:prompts], watched, left[len(watched) :][::-1]


def compared_pairs(pool: list[int], template: dict, split: Split, tasks: Tasks, spec: dict) -> Pairs | None:
    """Return the pairs of owners that GRPO neither trains on nor watches; None where no weight asks for them."""
    settings = spec["grpo"]
    if not settings["weights"]["preference"]:
        return None
    *_, others = parted(pool, settings["prompts"])
    return pairs(others, template, split, tasks.signatures, spec["side"], spec["seed"])


def training_tasks(split: Split, cards: np.ndarray, evidence: dict, spec: dict) -> tuple[Tasks, Split, list[int]]:
    """Return the tasks of the owners that GRPO trains on and of those that it watches; the split; the pool.

    evidence: profiles of the other side by id, as prompts show them.
    """
    side, seed, settings = spec["side"], spec["seed"], spec["grpo"]
    roles = draw(split, seed, spec["probes"])
    rest, pool = split.without(roles.pairs), roles.pool[side]
    trained, watched, _ = parted(pool, settings["prompts"])
    size = settings["candidates"]
    if side == "item":
        return item_tasks(trained + watched, rest, evidence, cards, spec, size), rest, pool
    readers = rest.readers(spec["neighbours"], seed)
    # who is watched is asked once
    asks = last_items(trained, rest) + list(dict(last_items(watched, rest)).items())
    return user_tasks(asks, rest, evidence, cards, spec, size, readers), rest, pool


def watched_tasks(tasks: Tasks, pool: list[int], prompts: int) -> np.ndarray:
    """Return the rows of the tasks of the owners watched."""
    _, watched, _ = parted(pool, prompts)
    return np.flatnonzero(np.isin(tasks.owners, watched))


def training_judge(
    split: Split, cards: np.ndarray, evidence: dict, template: dict, encoder, spec: dict, titles=None
) -> tuple[Judge, np.ndarray]:
    """Return the judge of the owners that GRPO trains on and watches, and the tasks of the latter.

    evidence: profiles of the other side by id, as prompts show them. template: those of this side. titles(tasks) ->
    what `Judge` takes as `likely`.
    """
    side, seed = spec["side"], spec["seed"]
    tasks, rest, pool = training_tasks(split, cards, evidence, spec)
    compared = compared_pairs(pool, template, rest, tasks, spec)
    others, likely = strangers(template, side, rest, seed), titles and titles(tasks)
    # a resumed run has not encoded what the run before it had
    judge = judge_of(tasks, others, compared, cards, encoder, spec, encoder.fresh, likely)
    return judge, watched_tasks(tasks, pool, spec["grpo"]["prompts"])
