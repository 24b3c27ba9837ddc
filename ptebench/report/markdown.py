"""A table as Markdown."""

from collections.abc import Sequence

import polars as pl

from ptebench.report.rendering import (
    INPUTS,
    input_texts,
    label_row,
    lead_mark,
    letters,
    note,
    panels,
    published_text,
    record_links,
    sources,
    value_text,
)


def render(table: pl.DataFrame, title: str, claims: Sequence[str] = ()) -> str:
    """Return the table as Markdown, the verdicts of its claims below; the last column links each seed's record."""
    lines = [f"# {title}", "", note(table)]
    lines += ["", sources(table)] if sources(table) else []
    for heading, names, rows in panels(table):
        head = ["backbone", "representation", *INPUTS, *names, "record of seed"]
        lines += ["", f"## {heading}", "", f"| {' | '.join(head)} |", f"|---|---|---|{'---:|' * (2 + len(names))}---|"]
        labels = letters(rows)
        for backbone, representation, values in rows:
            cells = input_texts(values) + [
                value_text(v, "**{}**", "<ins>{}</ins>")
                + lead_mark(v, labels, "<sup>{}</sup>")
                + ("" if v["published"] is None else f"<br>{published_text(v)}")
                for v in values
            ]
            name = label_row(backbone, representation, labels)
            lines.append(f"| {backbone} | {name} | {' | '.join(cells)} | {record_links(values, '[{seed}]({path})')} |")
    lines += ["", *(f"- {claim}" for claim in claims)] if claims else []
    return "\n".join(lines) + "\n"
