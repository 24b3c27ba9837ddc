"""Statistics of datasets with the published counts beside them."""

from datetime import UTC, datetime

import polars as pl

from ptebench.report.tex import BOOKTABS, escape

STATISTICS = {
    "dataset": pl.String, "statistic": pl.String, "value": pl.Float64, "published": pl.Float64, "verdict": pl.String,
}  # fmt: skip
# of a dataset of two snapshots, as papers print it
SNAPSHOTS = {
    "users": "users", "overlap_items": "overlap items", "train_items": "train items",
    "train_interactions": "train interactions", "train_sparsity_percent": "train sparsity %",
    "test_items": "test items", "test_interactions": "test interactions", "test_sparsity_percent": "test sparsity %",
}  # fmt: skip


def wide(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a dataset and one column a statistic, followed by published value and verdict where there are any.

    `frame` is a STATISTICS frame of all datasets.
    """
    datasets = frame["dataset"].unique(maintain_order=True)
    columns = {"dataset": datasets}
    for (name,), part in frame.group_by("statistic", maintain_order=True):
        row = {d: n for n, d in enumerate(part["dataset"])}
        at = pl.Series([row.get(d) for d in datasets], dtype=pl.UInt32)
        columns[name] = part["value"].gather(at)
        if part["published"].count():
            columns[f"{name}_published"] = part["published"].gather(at)
            columns[f"{name}_verdict"] = part["verdict"].gather(at)
    return pl.DataFrame(columns)


def format_statistic(name: str, value: float) -> str:
    if name.endswith("timestamp"):
        return datetime.fromtimestamp(value, UTC).date().isoformat()
    return f"{value:,.10g}"


def _statistics(frame: pl.DataFrame, cell) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the datasets, and for each statistic its name and the cell (own, published or None, verdict) of each."""
    datasets, rows = frame["dataset"].unique(maintain_order=True).to_list(), []
    for (name,), part in frame.group_by("statistic", maintain_order=True):
        row_of = {
            d: cell(
                format_statistic(name, value), None if published is None else format_statistic(name, published), verdict
            )
            for d, value, published, verdict in part.select("dataset", "value", "published", "verdict").iter_rows()
        }
        rows.append((name.replace("_", " "), [row_of.get(d, "") for d in datasets]))
    return datasets, rows


def snapshots_markdown(frame: pl.DataFrame) -> str:
    """Return the datasets of two snapshots as papers print them, one row a dataset; "" where there is none."""
    rows = []
    for (dataset,), part in frame.group_by("dataset", maintain_order=True):
        row_of = {row["statistic"]: row for row in part.iter_rows(named=True)}
        if "overlap_items" in row_of:
            cells = [row_of[name] for name in SNAPSHOTS]
            rows.append([dataset, *(_beside(c["value"], c["published"], c["verdict"]) for c in cells)])
    if not rows:
        return ""
    names = ("dataset", *SNAPSHOTS.values())
    lines = ["# Snapshots", "", "Equal to the published value: ✓.", ""]
    lines += [f"| {' | '.join(names)} |", f"|---|{'---:|' * len(SNAPSHOTS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), "", ""])


def _beside(value: float, published: float | None, verdict: str) -> str:
    """Return a value with a tick where it equals the published one, else with the published value."""
    mark = "" if published is None else " ✓" if verdict == "equal" else f" (published {published:,.10g})"
    return f"{value:,.10g}{mark}"


def markdown(frame: pl.DataFrame) -> str:
    """Return the statistics as Markdown, the snapshots in short and then all, one column a dataset."""

    def cell(own, published, verdict):
        return own if published is None else f"{own}<br>published {published}: {verdict}"

    datasets, rows = _statistics(frame, cell)
    lines = [
        f"{snapshots_markdown(frame)}# Datasets",
        "",
        f"| statistic | {' | '.join(datasets)} |",
        f"|---|{'---:|' * len(datasets)}",
    ]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows), ""])


def latex(frame: pl.DataFrame) -> str:
    """Return the statistics for LaTeX with the package booktabs, one column a dataset."""

    def cell(own, published, verdict):
        return escape(own) if published is None else rf"{escape(own)} {{\scriptsize ({escape(published)}: {verdict})}}"

    datasets, rows = _statistics(frame, cell)
    caption = "Datasets. Published counts in parentheses." if frame["published"].count() else "Datasets."
    lines = [BOOKTABS, r"\begin{table}", r"\centering", rf"\caption{{{caption}}}"]
    lines += [r"\label{tab:statistics}", rf"\begin{{tabular}}{{l{'r' * len(datasets)}}}", r"\toprule"]
    lines += [f"statistic & {' & '.join(map(escape, datasets))} " + r"\\", r"\midrule"]
    lines += [f"{escape(name)} & {' & '.join(cells)} " + r"\\" for name, cells in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
