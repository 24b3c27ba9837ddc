"""The page of a dataset: its counts beside published ones, its distributions, its splits and what leaks."""

import json
import re
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from ptebench.files import EVENTS, GROUPS, LEAK, TRAIN, read_table
from ptebench.report.rendering import LEAKS
from ptebench.report.site.results import Results
from ptebench.report.statistics import STATISTICS


class Split(NamedTuple):
    """A split of a dataset: counts, groups of test events, findings of leakage."""

    protocol: str
    counts: dict[str, int]
    groups: list[tuple[str, int]]
    findings: list[dict[str, Any]]


def statistics(results: Results, dataset: str) -> list[dict[str, Any]]:
    return read_table(results.root / f"results/data/{dataset}/statistics.csv", STATISTICS).to_dicts()


def distributions(results: Results, dataset: str) -> Markup:
    return inline(results.root / f"results/tables/distributions/{dataset}.svg", f"Distributions of {dataset}")


def inline(path: Path, title: str) -> Markup:
    """Return a drawing of a file for a page, without the head and the description that only a file of its own needs."""
    text = path.read_text()
    body = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return Markup(body.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1))


def splits(results: Results, dataset: str) -> list[Split]:
    """Return the splits of a dataset that the tables use."""
    found = []
    for _, protocol in (pair for pair in results.pairs if pair[0] == dataset):
        folder = results.root / f"results/splits/{dataset}/{protocol}"
        train = read_table(folder / "train.parquet", TRAIN)
        counts = {"training users": train.height, "training interactions": int(train["history"].list.len().sum())}
        for part in ("valid", "test"):
            events = read_table(folder / f"{part}.parquet", EVENTS)
            for (ranking,), own in events.group_by("ranking", maintain_order=True):
                counts[f"{part} events, {ranking}"] = own.height
        groups = read_table(folder / "groups.parquet", GROUPS).group_by("group").len().sort("group")
        findings = json.loads((folder / "leakage.json").read_text())
        findings.sort(key=lambda finding: finding["verdict"] == "ok")
        found.append(Split(protocol, counts, [(str(g), int(n)) for g, n in groups.iter_rows()], findings))
    return found


def leaks(results: Results) -> list[tuple[str, str, str]]:
    """Return every finding of leakage that is neither as expected nor merely reported: dataset, protocol, check.

    A row is one, too, whose text was written by who saw what the protocol holds out.
    """
    found = [
        (dataset, split.protocol, finding["check"])
        for dataset in dict.fromkeys(dataset for dataset, _ in results.pairs)
        for split in splits(results, dataset)
        for finding in split.findings
        if finding["verdict"] not in ("ok", "reported")
    ]
    rows = {
        (row["dataset"], row["protocol"], f"{row['backbone']}/{row['representation']} {LEAK}")
        for table in results.tables
        for row in table.values.filter(LEAKS).iter_rows(named=True)
    }
    return found + sorted(rows)


def published(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("published").is_not_null())
