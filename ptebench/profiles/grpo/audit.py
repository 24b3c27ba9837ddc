"""Did GRPO make profiles better, or only its reward: the same components on owners it never saw."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from ptebench.encoders import Encoder, fitted_lsa, of_each
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.judge import compared_pairs, judge_of
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.measures.bootstrap import interval
from ptebench.profiles.measures.faithfulness import strangers
from ptebench.profiles.measures.tasks import Tasks, item_tasks, user_tasks
from ptebench.profiles.models.loading import load
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.writing.answers import answered
from ptebench.randomness import generator

AUDIT = {
    "encoder": pl.String, "judged_training": pl.Boolean, "component": pl.String, "weight": pl.Float64,
    "before": pl.Float64, "after": pl.Float64, "difference": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "pairs": pl.Int64,
}  # fmt: skip


def paired(before: np.ndarray, after: np.ndarray, random) -> dict:
    """Return means before and after, their difference and its 95 % percentile bootstrap interval over pairs.

    before, after: (n,), NaN where a text was not measured; a pair counts where both were. Without pairs all is NaN.
    """
    both = np.isfinite(before) & np.isfinite(after)
    before, after, count = before[both], after[both], int(both.sum())
    if not count:
        return dict.fromkeys(("before", "after", "difference", "low", "high"), float("nan")) | {"pairs": 0}
    low, high = interval(after - before, random)
    return {
        "before": float(before.mean()), "after": float(after.mean()), "difference": float((after - before).mean()),
        "low": low, "high": high, "pairs": count,
    }  # fmt: skip


def compare(judge: Judge, answers: dict[str, list[dict]], encoder: str, trained: bool, random) -> list[dict]:
    """Return rows of the audit by one encoder.

    answers: under `before` and `after`, one of `answers_of` for every task of the judge.
    """
    rows, usual, by_time = np.arange(len(judge.tasks.owners)), None, {}
    for when in ("before", "after"):
        texts, tokens = ([a[key] for a in answers[when]] for key in ("text", "tokens"))
        # against what was usual before, as in training
        components, together = judge(texts, rows, tokens, usual)
        usual = together["likeness"] if usual is None else usual
        by_time[when] = {"reward": judge.total(components), **{c: components[c] for c in judge.weights}}
        by_time[when]["parsed"] = np.array([float(a["parsed"]) for a in answers[when]])
    weights = {"reward": float("nan"), **judge.weights, "parsed": float("nan")}
    return [
        {"encoder": encoder, "judged_training": trained, "component": name, "weight": weight}
        | paired(by_time["before"][name], by_time["after"][name], random)
        for name, weight in weights.items()
    ]


def markdown(frame: pl.DataFrame, side: str) -> str:
    """Return the audit as a Markdown table; a difference whose interval leaves out zero is bold."""
    lines = [
        f"Rewards of {side}s that GRPO never saw, before and after it; 95 % interval of the paired bootstrap.",
        "",
        "| encoder | component | before | after | difference | interval | pairs |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in frame.iter_rows(named=True):
        role = "training" if row["judged_training"] else "second"
        values = [f"{row['before']:.4f}", f"{row['after']:.4f}", f"{row['difference']:+z.4f}"]
        if row["low"] > 0 or row["high"] < 0:
            values[-1] = f"**{values[-1]}**"
        values += [f"{row['low']:+z.4f} to {row['high']:+z.4f}", str(row["pairs"])]
        lines.append(f"| {row['encoder']} ({role}) | {row['component']} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def encoder_of(settings: dict, cards: list[str]) -> Callable[[list[str]], np.ndarray]:
    """Return a function of texts to vectors in the space of the encoder's card vectors.

    cards: of the training items, which a latent semantic encoder was fitted on.
    """
    if settings["kind"] != "lsa":
        return Encoder(settings)
    encode_any = fitted_lsa(cards, settings["dimension"])

    def encode(texts: list[str]) -> np.ndarray:
        distinct = [text for text in dict.fromkeys(texts) if text.strip()]
        return of_each(texts, distinct, encode_any(distinct))

    return encode


def answers_of(prompts: list[str], source: dict, adapter: Path, spec: dict) -> list[dict]:
    """Return the answers of an adapter to prompts, as profiles are written: text, tokens, and what was wrong first."""
    side, limit = spec["side"], spec["new_tokens"][spec["side"]]
    model, tokenizer = load(**source, adapter=adapter, lora={}, trainable=False)
    answers, _ = answered(model, tokenizer, fitted(prompts, tokenizer, spec["context"] - limit), side, spec, {})
    for answer in answers:
        fields, _ = repaired(answer["text"].strip(), side)
        answer["text"] = layout(fields, side) if fields else answer["text"].strip()
        answer["parsed"] = fields is not None and "within the grammar" not in answer["decoding"]
    return answers


class Audit:
    """The owners that GRPO never saw, and what their texts are judged by.

    evidence: profiles of the other side by id, as prompts show them. template: those of this side.
    """

    def __init__(self, split: Split, evidence: dict, template: dict, spec: dict):
        self.spec, self.side, self.evidence, self.template = spec, spec["side"], evidence, template
        roles = draw(split, spec["seed"], spec["probes"])
        self.pool = roles.pool[self.side]
        self.pairs, self.items = sorted(roles.pairs), roles.probes["item"]
        self.split = split if self.side == "user" else split.without(roles.pairs)
        self.others = strangers(template, self.side, self.split, spec["seed"])

    def tasks(self, cards: np.ndarray) -> Tasks:
        """Return the tasks in the space of an encoder; their prompts are the same for every one."""
        size = self.spec["grpo"]["candidates"]
        if self.side == "item":
            return item_tasks(self.items, self.split, self.evidence, cards, self.spec, size)
        # what the probes are asked about stood in no prompt, so that no audience knows of it
        return user_tasks(self.pairs, self.split, self.evidence, cards, self.spec, size, {})

    def run(self, spaces: dict[str, tuple[dict, np.ndarray]], cards: list[str], answer) -> tuple[pl.DataFrame, dict]:
        """Return the audit and notes for the record.

        spaces: settings and card vectors of each encoder by name, first the one of the reward. cards: of the training
        items. answer(prompts) -> `answers_of` under `before` and `after`.
        """
        rows: list[dict] = []
        answers: dict[str, list[dict]] = {}
        thresholds, accuracies = {}, {}
        for name, (settings, matrix) in spaces.items():
            encode, tasks, first = encoder_of(settings, cards), self.tasks(matrix), not answers
            answers = answers or answer(tasks.prompts)
            compared = compared_pairs(self.pool, self.template, self.split, tasks, self.spec)
            judge = judge_of(tasks, self.others, compared, matrix, encode, self.spec)
            if judge.threshold is not None:
                thresholds[name] = judge.threshold
            if judge.prefer:
                accuracies[name] = judge.prefer.accuracy
            rows += compare(judge, answers, name, first, generator(self.spec["seed"], "audit"))
        notes = {"thresholds_of_faithfulness": thresholds, "accuracies_of_preference": accuracies}
        return pl.DataFrame(rows, schema=AUDIT), {"owners": len(answers["before"]), **notes}
