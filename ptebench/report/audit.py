"""An audit of printed tables of metrics, from any paper: a page of the laws that they break.

    python -m ptebench.report.audit TABLE.csv [TABLE.csv ...] [--several] [--percent] [--against OTHER.csv]

Prints the page; the exit status is 1 where a table breaks a law, 2 where it cannot be read.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ptebench.errors import InputError
from ptebench.report import laws
from ptebench.report.printed import Printed, read_printed

LAWS = {
    "impossible value": laws.impossible,
    "duplicate row": laws.twice,
    "falls with K": laws.falling,
    "metrics contradict each other": laws.apart,
    "groups do not add up": laws.parted,
    "improvement does not follow": laws.improved,
}
INTRODUCTION = (
    "A breach says that a number is wrong, not which and not why. An event is taken to have one target where neither"
    " the table (`targets`) nor `--several` says otherwise."
)
BREACHES = {
    "table": pl.String, "line": pl.Int64, "row": pl.String, "law": pl.String, "cells": pl.String,
    "finding": pl.String,
}  # fmt: skip


def breach_frame(tables: list[Printed]) -> pl.DataFrame:
    """Return the BREACHES frame of tables: a row a breach, in the order of tables, laws and lines."""
    rows = [
        (table.name, breach.line, breach.row, breach.law, " ".join(breach.cells), breach.finding)
        for table in tables
        for breach in laws.breaches(table)
    ]
    return pl.DataFrame(rows, schema=BREACHES, orient="row")


def page(tables: list[Printed], differences: Sequence[str] = ()) -> str:
    """Return the audit as Markdown: all tables in short, each breach, the shares of events, the laws."""
    breaches_of_tables = breach_frame(tables)
    lines = ["# Audit of printed tables", "", INTRODUCTION, ""]
    lines += ["| table | rows | values | rows with a breach | breaches |", "|---|---:|---:|---:|---|"]
    for table in tables:
        own = breaches_of_tables.filter(pl.col("table") == table.name)
        counts = "; ".join(f"{law}: {number}" for law, number in Counter(own["law"]).items()) or "none"
        values = sum(len(row.values) for row in table.rows)
        lines.append(f"| {table.name} | {len(table.rows)} | {values} | {own['row'].n_unique()} | {counts} |")
    for table in tables:
        lines += _section(table, breaches_of_tables.filter(pl.col("table") == table.name))
    lines += ["", "## Differences", "", *differences] if differences else []
    lines += ["", "## The laws", "", "Each is held to the rounding of the digits printed, and to no more.", ""]
    lines += [f"- **{name}**: {law.__doc__}" for name, law in LAWS.items()]
    return "\n".join([*lines, ""])


def _section(table: Printed, breaches_of_tables: pl.DataFrame) -> list[str]:
    lines = ["", f"## {table.name}", ""]
    if breaches_of_tables.height:
        lines += ["| line | row | law | cells | finding |", "|---:|---|---|---|---|"]
        for _, line, row, law, cells, finding in breaches_of_tables.iter_rows():
            lines.append(f"| {line} | {row} | {law} | {cells} | {finding} |")
    else:
        lines += ["No breach."]
    if shares := laws.shares(table):
        lines += [
            "",
            "The share of test events in the first group, by which overall values are means of two groups; it",
        ]
        lines += ["tells one preparation of the data from another:", ""]
        lines += ["| data | groups | share | cells that agree |", "|---|---|---:|---:|"]
        for data, pair, low, high, agree, cells in shares:
            share = f"{low:.4f} .. {high:.4f}" if agree else "none"
            lines.append(f"| {', '.join(v for _, v in data)} | {', '.join(pair)} | {share} | {agree} of {len(cells)} |")
    return lines


def compare(table: Printed, other: Printed) -> list[str]:
    """Return a line for each value that differs between two printings of a table.

    Raises InputError where the tables have not the same rows of values.
    """
    pairs = list(zip(table.methods, other.methods))
    if len(table.methods) != len(other.methods) or any(a.values.keys() != b.values.keys() for a, b in pairs):
        raise InputError(f"{table.name} and {other.name}: not the same rows and metrics; give two printings of a table")
    lines = [
        f"- line {a.line}, {a}: {laws.name(c)} is {a.values[c]:.4f}, in {other.name} {b.values[c]:.4f}"
        for a, b in pairs
        for c in a.values
        if a.values[c] != b.values[c]
    ]
    number = sum(len(row.values) for row in table.methods)
    return [f"{len(lines)} of {number} values of {table.name} differ from {other.name}.", "", *lines]


def main() -> None:
    """Print the audit of the tables named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m ptebench.report.audit", description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="+", type=Path, metavar="TABLE.csv")
    parser.add_argument("--several", action="store_true", help="events have several targets, so that NDCG may fall")
    parser.add_argument("--percent", action="store_true", help="values are in percent")
    parser.add_argument("--against", type=Path, metavar="OTHER.csv", help="another printing of the first table")
    options = parser.parse_args()
    try:
        tables = [read_printed(path, options.several, options.percent) for path in options.tables]
        other = options.against and read_printed(options.against, options.several, options.percent)
        print(page(tables, compare(tables[0], other) if other else []), end="")
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(breach_frame(tables).height > 0)


if __name__ == "__main__":
    main()
