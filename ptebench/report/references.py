"""A comparison of our values with the published ones."""

import polars as pl

from ptebench.report.rendering import PANEL, difference_text, question, value_text

TOLERANCE = 0.001  # where no standard deviation was published


def judge_mean(mean: float, published: float, sd: float | None) -> str:
    """Return "above", "below" or "equal", which is within two published s.d., for a mean of four digits."""
    difference, width = round(mean - published, 4), round(TOLERANCE if sd is None else 2 * sd, 4)
    return "equal" if abs(difference) <= width else "above" if difference > 0 else "below"


def render(tables: pl.DataFrame) -> str:
    """Return Markdown of every value of `tables` (TABLE frames) that has a published one, with its verdict."""
    with_published = tables.filter(pl.col("published").is_not_null()).unique(
        [*PANEL, "backbone", "representation", "metric", "k"],
        keep="first",
        maintain_order=True,
    )
    values = with_published.to_dicts()
    verdicts = [judge_mean(v["mean"], v["published"], v["published_sd"]) for v in values]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("above", "equal", "below"))
    lines = ["# References", "", f"{len(values)} values with a published one beside: {counts}. Equal is within two of"]
    lines[-1] += f" the published standard deviations, or {TOLERANCE} where none was published."
    for source in with_published["source"].unique(maintain_order=True):
        lines += ["", f"## {source}", ""]
        lines += ["| dataset | protocol | backbone | representation | metric | ours | published | Δ | verdict |"]
        lines += ["|---|---|---|---|---|---:|---:|---:|---|"]
        for v, word in zip(values, verdicts, strict=True):
            if v["source"] == source:
                subject = question(v["protocol"], v["ranking"], v["group"])
                sd = "" if v["published_sd"] is None else f" (s.d. {v['published_sd']:.4f})"
                lines.append(
                    f"| {v['dataset']} | {subject} | {v['backbone']} | {v['representation']} "
                    f"| {v['metric']}@{v['k']} | {value_text(v | {'mark': ''}, '', '')} | {v['published']:.4f}{sd} "
                    f"| {difference_text(v)} | {word} |"
                )
    return "\n".join([*lines, ""])
