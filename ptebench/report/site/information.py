"""The page of an analysis of information: its verdicts, its drawing, and every measure."""

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from ptebench.report.site.datasets import inline
from ptebench.report.site.results import Results


class Analysis(NamedTuple):
    """What vectors of the items of a split tell of each other."""

    name: str
    dataset: str
    protocol: str
    sections: list[tuple[str, list[Markup]]]  # headings of the page, and the sentences below each
    drawing: Markup
    measures: pl.DataFrame

    @property
    def page(self) -> str:
        return f"information/{self.name}/{self.dataset}/{self.protocol}.html"


def analyses(results: Results) -> list[Analysis]:
    """Return the analyses that lie there of the splits of the tables."""
    found = []
    for path in sorted((results.root / "results/information").glob("*/*/*.csv")):
        name, dataset, protocol = path.parts[-3], path.parts[-2], path.stem
        if (dataset, protocol) in results.pairs:
            drawing = inline(path.with_suffix(".svg"), f"{name} on {dataset}, {protocol}")
            found.append(Analysis(name, dataset, protocol, sections(path.with_suffix(".md")), drawing, pl.read_csv(path)))
    return found


def sections(path: Path) -> list[tuple[str, list[Markup]]]:
    """Return the headings of a page in Markdown with the sentences of their lists; sections without one are left out."""
    found: list[tuple[str, list[Markup]]] = []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            found.append((line.lstrip("# "), []))
        elif line.startswith("- ") and found:
            text = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(line[2:]))
            found[-1][1].append(Markup(re.sub(r"\*\*(.*?)\*\*", r"<strong>\1</strong>", text)))
    return [(heading, lines) for heading, lines in found if lines]
