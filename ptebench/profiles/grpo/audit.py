"""Did GRPO make profiles better, or only its reward: the same components on owners it never saw."""

from pathlib import Path

import numpy as np
import polars as pl

from ptebench.encoders import Encoder, encode
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.judge import TASKS, compared_pairs, judge_of
from ptebench.profiles.grpo.preference import Pairs
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.grpo.tasks import Tasks, strangers
from ptebench.profiles.measures.bootstrap import interval
from ptebench.profiles.models.loading import load
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.fields import phrases, strict
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


def compare(judge: Judge, texts: dict, tokens: dict, encoder: str, trained: bool, random) -> list[dict]:
    """Return rows of the audit by one encoder.

    texts, tokens: under `before` and `after`, one text of every task of the judge, and its length.
    """
    rows = np.arange(len(judge.tasks.owners))
    first, together = judge(texts["before"], rows, tokens["before"])
    # against what was usual before, as in training
    second, _ = judge(texts["after"], rows, tokens["after"], together["likeness"])
    pairs = {"reward": (judge.total(first), judge.total(second))} | {c: (first[c], second[c]) for c in judge.weights}
    weights = {"reward": float("nan"), **judge.weights}
    return [
        {"encoder": encoder, "judged_training": trained, "component": name, "weight": weights[name]}
        | paired(before, after, random)
        for name, (before, after) in pairs.items()
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
        values = [f"{row['before']:.4f}", f"{row['after']:.4f}", f"{row['difference']:+.4f}"]
        if row["low"] > 0 or row["high"] < 0:
            values[-1] = f"**{values[-1]}**"
        values += [f"{row['low']:+.4f} to {row['high']:+.4f}", str(row["pairs"])]
        lines.append(f"| {row['encoder']} ({role}) | {row['component']} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def encoder_of(settings: dict, cards: list[str], texts: list[str]):
    """Return a function of texts, any of `texts`, to vectors in the space of the encoder's card vectors.

    cards: of the training items, which a latent semantic encoder was fitted on.
    """
    if settings["kind"] != "lsa":
        return Encoder(settings)
    vectors = dict(zip(texts, encode(texts, settings, cards)))
    return lambda some: np.stack([vectors[text] for text in some])


def answers_of(prompts: list[str], source: dict, adapter: Path, spec: dict) -> tuple[list[str], list[int]]:
    """Return the answers of an adapter to prompts, and their lengths in tokens, decoded as profiles are."""
    side, limit = spec["side"], spec["new_tokens"][spec["side"]]
    model, tokenizer = load(**source, adapter=adapter, lora={}, trainable=False)
    shown = fitted(prompts, tokenizer, spec["context"] - limit)
    within = side if spec["model"] == "embedded" else None
    ids = generate(model, tokenizer, shown, limit, spec["write_batch"], within)
    return [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)], list(map(len, ids))


class Audit:
    """The owners that GRPO never saw, and what their texts are judged by.

    evidence: profiles of the other side by id, as prompts show them. template: those of this side.
    """

    def __init__(self, split: Split, evidence: dict, template: dict, spec: dict):
        self.spec, self.side, self.evidence, self.template = spec, spec["side"], evidence, template
        drawn = draw(split, spec["seed"], spec["probes"])
        self.pool = drawn.pool[self.side]
        self.owners: dict[int, int] | list[int]  # users with the item held out of each, or items
        if self.side == "user":
            self.owners, self.split = dict(sorted(drawn.held)), split
        else:
            self.owners, self.split = drawn.probes["item"], split.without(drawn.held)
        self.others = strangers(template, self.side, self.split, spec["seed"])

    def tasks(self, cards: np.ndarray, vectors) -> Tasks:
        """Return the tasks in the space of an encoder; their prompts are the same for every one."""
        make, candidates = TASKS[self.side], self.spec["grpo"]["candidates"]
        return make(self.owners, self.split, self.evidence, cards, vectors, self.spec, candidates)

    def vocabulary(self, texts: dict[str, list[str]], compared: Pairs | None) -> list[str]:
        """Return all that a judge may have encoded."""
        profiles = [(self.evidence, {"user": "item", "item": "user"}[self.side]), (self.others, self.side)]
        asked = [phrase for of, side in profiles for fields in of.values() for phrase in phrases(fields, side)]
        for text in texts["before"] + texts["after"]:
            if fields := strict(text, self.side):
                asked += [text, *phrases(fields, self.side)]
        if compared:
            asked += compared.chosen + compared.rejected
        return list(dict.fromkeys(asked))

    def run(self, spaces: dict[str, tuple[dict, np.ndarray]], cards: list[str], answer) -> tuple[pl.DataFrame, dict]:
        """Return the audit and notes for the record.

        spaces: settings and card vectors of each encoder by name, first the one of the reward. cards: of the training
        items. answer(prompts) -> texts and their lengths under `before` and `after`.
        """
        rows: list[dict] = []
        asked: list[str] = []
        thresholds, accuracies = {}, {}
        for place, (name, (settings, matrix)) in enumerate(spaces.items()):
            vectors = encoder_of(settings, cards, asked)
            tasks = self.tasks(matrix, vectors)
            if not place:
                texts, tokens = answer(tasks.prompts)
                compared = compared_pairs(self.pool, self.template, self.split, tasks, self.spec)
                asked = self.vocabulary(texts, compared)
            judge = judge_of(tasks, self.others, compared, vectors, self.spec)
            if judge.threshold is not None:
                thresholds[name] = judge.threshold
            if judge.prefer:
                accuracies[name] = judge.prefer.accuracy
            rows += compare(judge, texts, tokens, name, not place, generator(self.spec["seed"], "audit"))
        notes = {"thresholds_of_faithfulness": thresholds, "accuracies_of_preference": accuracies}
        return pl.DataFrame(rows, schema=AUDIT), {"owners": len(texts["before"]), **notes}
