"""A table for LaTeX, with names as papers print them."""

from collections.abc import Mapping

import polars as pl

from ptebench.report.names import display
from ptebench.report.rendering import (
    Sheet,
    difference_text,
    failed_rows,
    heading,
    label_row,
    lead_mark,
    letters,
    note,
    panels,
    sources,
    value_text,
)
from ptebench.report.tex import escape

PACKAGES = r"% needs \usepackage{booktabs} and \usepackage{graphicx} in the preamble"
FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"  # no wider than the text, and no larger


def render(sheet: Sheet) -> str:
    """Return the table for LaTeX with the packages booktabs and graphicx; a comment after a row names its record."""
    parts = panels(sheet.table)
    names = parts[0][1]
    head = ["Backbone", "Method", *names]
    lines = [PACKAGES, r"\begin{table}", r"\centering"]
    lines += [
        rf"\caption{{{escape(_caption(sheet.table, sheet.title, sheet.captions))}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\smallskip",
        FIT,
    ]
    lines += [rf"\begin{{tabular}}{{@{{}}ll{'r' * len(names)}@{{}}}}", r"\toprule"]
    lines += [f"{' & '.join(map(escape, head))} " + r"\\"]
    for _, _, rows in parts:
        lines += [r"\midrule"]
        if len(parts) > 1:
            heading = escape(_heading(rows))
            lines += [rf"\multicolumn{{{len(head)}}}{{@{{}}l}}{{\emph{{{heading}}}}} \\", r"\addlinespace[2pt]"]
        lines += _rows(rows)
        for f in failed_rows(sheet.failed, rows[0][2]):
            cells = [display(f["backbone"]), display(f["representation"]), *["failed"] * len(names)]
            lines.append(f"{' & '.join(map(escape, cells))} " + rf"\\ % {f['log']}: {f['reason']}")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def _rows(rows: list[tuple[str, str, list[dict]]]) -> list[str]:
    """Return the lines of a panel's rows, a published value below its own, a backbone's name once."""
    lines, labels, before = [], letters(rows), ""
    for backbone, representation, values in rows:
        means = [_value(v, labels) for v in values]
        first = "" if backbone == before else display(backbone)
        name = label_row(backbone, representation, labels).replace(representation, display(representation), 1)
        row = f"{' & '.join([*map(escape, (first, name)), *means])} " + r"\\"
        lines.append(f"{row} % {values[0]['provenance']}")
        if any(v["published"] is not None for v in values):
            beside = ["" if v["published"] is None else _published(v) for v in values]
            lines.append(rf" & \scriptsize published & {' & '.join(beside)} \\")
        before = backbone
    return lines


def _value(value: dict, labels: dict[str, str]) -> str:
    """Return a mean with its interval, small, and its mark."""
    mean, plus, interval = value_text(value, r"\textbf{{{}}}", r"\underline{{{}}}").partition(" ± ")
    mark = lead_mark(value, labels, r"$^{{\mathrm{{{}}}}}$").replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$")
    return (rf"{mean}{{\scriptsize$\,\pm\,${interval}}}" if plus else mean) + mark.replace(" ", r"\,")


def _published(value: dict) -> str:
    return rf"\scriptsize {value['published']:.4f} ($\Delta$ ${difference_text(value)}$)"


def _heading(rows: list[tuple[str, str, list[dict]]]) -> str:
    """Return the heading of a panel, in names that papers print."""
    dataset, protocol, ranking, group = (rows[0][2][0][key] for key in ("dataset", "protocol", "ranking", "group"))
    return heading(dataset, *map(display, (protocol, ranking, group)))


def _caption(table: pl.DataFrame, title: str, captions: Mapping[str, str]) -> str:
    """Return title, legend, sources, and the events of each panel, one after the other."""
    parts = panels(table)
    of_panels = [
        captions[name].removesuffix(".") if len(parts) == 1 else f"{_heading(rows)}: {captions[name].removesuffix('.')}"
        for name, _, rows in parts
        if name in captions
    ]
    texts = [f"{title}.", *(f"{text}." for text in of_panels), note(table, inputs=False), sources(table)]
    return " ".join(text for text in texts if text)
