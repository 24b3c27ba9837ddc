"""A table for LaTeX."""

from collections.abc import Sequence

import polars as pl

from ptebench.report.rendering import (
    INPUTS,
    difference_text,
    failed_rows,
    input_texts,
    label_row,
    lead_mark,
    letters,
    note,
    panels,
    sources,
    value_text,
)
from ptebench.report.tex import escape


def render(table: pl.DataFrame, title: str, name: str, failed: Sequence[dict] = ()) -> str:
    """Return the table for LaTeX with the package booktabs; a comment behind each row names its record.

    failed: methods without values, each with reason and log.
    """
    panels_of_table = panels(table)
    columns = max(len(names) for _, names, _ in panels_of_table) + len(INPUTS) - 1
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(title)}. {escape(note(table))} {escape(sources(table))}}}",
    ]
    lines += [rf"\label{{tab:{name}}}", rf"\begin{{tabular}}{{lll{'r' * columns}}}", r"\toprule"]
    for position, (heading, names, rows) in enumerate(panels_of_table):
        lines += [r"\midrule"] * (position > 0)
        lines += [rf"\multicolumn{{{columns + 3}}}{{l}}{{\emph{{{escape(heading)}}}}} \\"]
        head = ("backbone", "representation", *INPUTS, *names)
        lines += [f"{' & '.join(map(escape, head))} " + r"\\", r"\midrule"]
        labels = letters(rows)
        for backbone, representation, values in rows:
            means = [
                (value_text(v, r"\textbf{{{}}}", r"\underline{{{}}}") + lead_mark(v, labels, r"$^{{\mathrm{{{}}}}}$"))
                .replace("±", r"$\pm$").replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$")
                for v in values
            ]  # fmt: skip
            name = label_row(backbone, representation, labels)
            row = f"{' & '.join([*map(escape, (backbone, name, *input_texts(values))), *means])} " + r"\\"
            lines.append(f"{row} % {values[0]['provenance']}")
            if any(v["published"] is not None for v in values):
                beside = [
                    ""
                    if v["published"] is None
                    else rf"\scriptsize {v['published']:.4f} ($\Delta$ ${difference_text(v)}$)"
                    for v in values
                ]
                lines.append(rf" & \scriptsize published {'& ' * len(INPUTS)}& {' & '.join(beside)} \\")
        for f in failed_rows(failed, rows[0][2]):
            cells = [f["backbone"], f["representation"], *[""] * len(INPUTS), *["failed"] * len(names)]
            lines.append(f"{' & '.join(map(escape, cells))} " + rf"\\ % {f['log']}: {f['reason']}")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
