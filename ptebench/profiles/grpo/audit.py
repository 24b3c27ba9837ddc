"""Did GRPO make profiles better, or only its reward: the same components on owners it never saw."""

import numpy as np
import polars as pl

from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.measures.bootstrap import interval

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
        | paired(*values, random)
        for name, values in pairs.items()
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
