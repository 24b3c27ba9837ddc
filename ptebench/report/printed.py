"""Printed tables of results: their values, labels and number of digits."""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

from ptebench.errors import InputError
from ptebench.report.lists import is_of_lists

METRIC = re.compile(r"([A-Za-z]+)@([1-9]\d{0,8})", re.ASCII)
COUNT = re.compile(r"\d{1,12}", re.ASCII)
NAMES = {
    "n": "NDCG", "ndcg": "NDCG", "m": "MRR", "mrr": "MRR", "r": "Recall", "recall": "Recall",
    "h": "HR", "hr": "HR", "hit": "HR", "p": "Precision", "precision": "Precision", "map": "MAP",
}  # fmt: skip
# of a table with a row a value, as ours are: the labels, and the column of the value
LABELS = ("dataset", "setting", "protocol", "ranking", "group", "backbone", "representation", "method", "seed")
VALUES = ("value", "mean")
Column = tuple[str, int]


@dataclass
class Row:
    """The values of one method on one question."""

    line: int
    labels: dict[str, str]
    values: dict[Column, float]
    single: bool  # whether an event has one target
    events: int | None  # over which HR counts, of all seeds

    @property
    def method(self) -> str:
        return list(self.labels.values())[-1]

    @property
    def improvement(self) -> bool:
        """Whether the row prints, in percent, the gain of the row above it over the best other one."""
        return "impr" in self.method.lower()

    def question(self, *left_out: str) -> tuple[tuple[str, str], ...]:
        """Return the labels but the method's and those left out."""
        return tuple((k, v) for k, v in list(self.labels.items())[:-1] if k not in left_out)

    def __str__(self) -> str:
        return ", ".join(value for value in self.labels.values() if value)


@dataclass
class Printed:
    """A table: its rows in order, and the half of its last digit, of values and of improvements."""

    name: str
    rows: list[Row]
    half: float
    half_percent: float

    @property
    def methods(self) -> list[Row]:
        return [row for row in self.rows if not row.improvement]


def read_printed(path: Path, several: bool = False, percent: bool = False) -> Printed:
    """Read a CSV with a row a method (columns such as NDCG@10, R@20) or a row a value (metric, k and value or mean).

    All columns but those of metrics are labels, the last of them the method's; of a table with a row a value, LABELS
    are. `group` is "overall" or "GROUPING: NAME"; `targets` says "several" where an event has more than one, as
    `several` says of the whole table; `events` (and `seeds`) counts test events. Metrics of lists, which obey none of
    the laws, are passed over. `percent`: values are in percent.
    Raises InputError naming line and column.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            records = list(reader)
            names = list(reader.fieldnames or []) if records else []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV in UTF-8 ({error})") from error
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path}, line 1: two columns are named {twice[0]!r}; rename one")
    wide = {name: match for name in names if (match := METRIC.fullmatch(name))}
    long = next((name for name in VALUES if {"metric", "k", name} <= set(names)), "")
    if not wide and not long:
        raise InputError(f"{path}: no column such as NDCG@10, nor metric, k and value; name the metrics so")
    labels = [n for n in LABELS if n in names] if long else [n for n in names if n not in wide]
    if not set(labels) - {"targets", "events", "seeds"}:
        raise InputError(f"{path}: no column tells the method; name one {'method' if long else 'before the metrics'}")
    rows: dict[tuple, Row] = {}
    digits, scale = {False: 0, True: 0}, 100.0 if percent else 1.0
    for line, record in enumerate(records, 2):
        if None in record or None in record.values():
            raise InputError(f"{path}, line {line}: expected {len(names)} columns; give each row as many")
        row = _row(line, record, labels)
        row.single = row.single and not several
        if long:
            row = rows.setdefault((*row.labels.values(),), row)
        else:
            rows[(line,)] = row
        if long and is_of_lists(record["metric"]):
            continue
        for name in [long] if long else wide:
            column = _column(path, line, f"{record['metric']}@{record['k']}" if long else name)
            text = record[name].strip().removesuffix("%")
            if long and column in row.values:
                raise InputError(f"{path}, line {line}: {row}: {column[0]}@{column[1]} is given twice; keep one")
            if text:
                row.values[column] = _number(path, line, name, text) / (1 if row.improvement else scale)
                digits[row.improvement] = max(digits[row.improvement], _digits(text))
    return Printed(path.stem, list(rows.values()), 0.5 * 10.0 ** -digits[False] / scale, 0.5 * 10.0 ** -digits[True])


def _row(line: int, record: dict[str, str], names: list[str]) -> Row:
    """Return a row without values; of the columns `names` those that are no labels say what it counts."""
    events, seeds = record.get("events", ""), record.get("seeds", "") or "1"
    count = int(events) * int(seeds) if COUNT.fullmatch(events) and COUNT.fullmatch(seeds) else None
    labels = {name: record[name].strip() for name in names if name not in ("targets", "events", "seeds")}
    return Row(line, labels, {}, record.get("targets", "one") != "several", count)


def _column(path: Path, line: int, name: str) -> Column:
    match = METRIC.fullmatch(name)
    if not match or match[1].lower() not in NAMES:
        metrics = ", ".join(dict.fromkeys(NAMES.values()))
        raise InputError(f"{path}, line {line}: {name}: no metric of {metrics} at a K; name it so, or leave it out")
    return NAMES[match[1].lower()], int(match[2])


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        if "_" not in text and math.isfinite(value := float(text)):
            return value
    except ValueError:
        pass
    raise InputError(f"{path}, line {line}, {name}: {text!r} is no number; leave it empty for none")


def _digits(text: str) -> int:
    """Return how many digits a number shows after the point, at most ten."""
    return 10 if "e" in text.lower() else min(10, len(text.partition(".")[2]))
