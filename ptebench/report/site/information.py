"""The page of an analysis of information: its verdicts, its drawing, and every measure."""

import re
from html import escape
from pathlib import Path
from typing import NamedTuple

import polars as pl
from markupsafe import Markup

from ptebench.report.site.datasets import inline
from ptebench.report.site.results import Results


NAMES = 4  # of a measure, before its values


class Section(NamedTuple):
    """A list of sentences below a heading of a level."""

    level: int
    heading: Markup
    lines: list[Markup]


class Analysis(NamedTuple):
    """What vectors of the items of a split tell of each other."""

    name: str
    dataset: str
    protocol: str
    sections: list[Section]
    drawing: Markup
    measures: pl.DataFrame

    @property
    def page(self) -> str:
        return f"information/{self.name}/{self.dataset}/{self.protocol}.html"


def analyses(results: Results) -> list[Analysis]:
    """Return the analyses that lie there of the splits of the tables."""
    rows = []
    for path in sorted((results.root / "results/information").glob("*/*/*.csv")):
        name, dataset, protocol = path.parts[-3], path.parts[-2], path.stem
        if (dataset, protocol) in results.pairs:
            drawing = inline(path.with_suffix(".svg"), f"{name} on {dataset}, {protocol}")
            measures = pl.read_csv(path)
            measures = measures[[s.name for n, s in enumerate(measures) if n < NAMES or s.count()]]
            rows.append(Analysis(name, dataset, protocol, sections(path.with_suffix(".md")), drawing, measures))
    return rows


def sections(path: Path) -> list[Section]:
    """Return the lists of a page in Markdown, each below its heading or the sentence that leads to it."""
    parts: list[Section] = []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            parts.append(Section(2, marked(line.lstrip("# ")), []))
        elif line.endswith(":"):
            parts.append(Section(3, marked(line.removesuffix(":")), []))
        elif line.startswith("- ") and parts:
            parts[-1].lines.append(marked(line[2:]))
    following = [*parts[1:], Section(2, Markup(""), [])]
    return [part for part, after in zip(parts, following) if part.lines or after.level > part.level]


def marked(text: str) -> Markup:
    """Return a line of Markdown with its code and what it stresses."""
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text))
    return Markup(re.sub(r"\*\*(.*?)\*\*", r"<strong>\1</strong>", text))
