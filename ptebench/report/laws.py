"""Laws that every printed table of metrics obeys, up to the rounding of its digits."""

from collections.abc import Callable, Iterator
from itertools import combinations
from math import fsum, isfinite, log, log2
from typing import NamedTuple

from ptebench.report.printed import Column, Printed, Row

OVERALL = "overall"
# what an event adds, where its one target has this rank
WEIGHTS: dict[str, Callable[[int], float]] = {
    "HR": lambda rank: 1.0,
    "NDCG": lambda rank: 1 / log2(rank + 1),
    "MRR": lambda rank: 1 / rank,
}
RISING, RISING_OF_ONE = {"HR", "Recall", "MRR"}, {"NDCG", "MAP"}  # with K; the latter where events have one target
SAME = 3  # so many values unlike zero, and all alike, are no chance


class Breach(NamedTuple):
    """A place at which a table breaks a law, and how."""

    law: str
    line: int
    row: str
    cells: tuple[str, ...]
    finding: str


def breaches(table: Printed) -> list[Breach]:
    """Return every breach of a law, in the order of laws and lines."""
    laws = (impossible, twice, falling, apart, parted, improved)
    return [breach for law in laws for breach in law(table)]


def name(column: Column) -> str:
    return f"{column[0]}@{column[1]}"


def impossible(table: Printed) -> Iterator[Breach]:
    """A value lies in 0 .. 1; HR of so many events is a multiple of one event."""
    for row in table.methods:
        for column, value in row.values.items():
            if not (isfinite(value) and 0 <= value <= 1):
                yield Breach("impossible value", row.line, str(row), (name(column),), f"{value:g} is outside 0 .. 1")
            elif row.events and column[0] == "HR":
                nearest = round(value * row.events) / row.events
                if abs(value - nearest) > table.half + 1e-9:
                    text = f"{value:g} is no share of {row.events:,} events; the nearest is {nearest:.6f}"
                    yield Breach("impossible value", row.line, str(row), (name(column),), text)


def twice(table: Printed) -> Iterator[Breach]:
    """No two rows of a question have one name, or the same values."""
    for a, b in combinations(table.methods, 2):
        if a.question() != b.question():
            continue
        if a.labels == b.labels:
            yield Breach("duplicate row", b.line, str(b), (), f"stands at line {a.line} too")
        common = [column for column in a.values if column in b.values]
        if sum(a.values[c] == b.values[c] != 0 for c in common) == len(common) >= SAME:
            yield Breach("duplicate row", b.line, str(b), (), f"has every value of {a.method} (line {a.line})")


def _falls(row: Row, values: dict[Column, float]) -> list[tuple[Column, Column]]:
    """Return the pairs (K, next larger K) of a metric at which it falls; with several targets NDCG and MAP may."""
    pairs = []
    for metric in dict.fromkeys(metric for metric, _ in values):
        ks = sorted(k for m, k in values if m == metric)
        if metric in RISING or (row.single and metric in RISING_OF_ONE):
            steps = [((metric, a), (metric, b)) for a, b in zip(ks, ks[1:])]
            pairs += [(low, high) for low, high in steps if values[high] < values[low] - 1e-9]
    return pairs


def falling(table: Printed) -> Iterator[Breach]:
    """HR, Recall and MRR never fall with K; nor do NDCG and MAP where an event has one target."""
    for row in table.methods:
        for low, high in _falls(row, row.values):
            text = f"{row.values[low]:.4f} at {low[1]}, {row.values[high]:.4f} at {high[1]}{_mend(table, row)}"
            yield Breach("falls with K", row.line, str(row), (name(low), name(high)), text)


def _mend(table: Printed, row: Row) -> str:
    """Return the exchange of two columns that makes a row lawful and nearest to the other rows, if there is one."""
    others = [r for r in table.methods if r.question("backbone", "group") == row.question("backbone", "group")]
    lawful = [r for r in others if r.values.keys() == row.values.keys() and not _broken(table, r, r.values)]
    result = []
    for a, b in combinations(row.values, 2):
        exchanged = {**row.values, a: row.values[b], b: row.values[a]}
        if not _broken(table, row, exchanged):
            result.append((fsum(_distance(exchanged, r.values) for r in lawful), f"{name(a)} and {name(b)}"))
    if not result:
        return "; no exchange of two columns mends the row"
    return f"; with {min(result)[1]} exchanged the row is lawful, and like the others"


def _distance(a: dict[Column, float], b: dict[Column, float]) -> float:
    """Return the distance of two rows after removing their overall levels."""
    ratios = [log((a[column] + 1e-6) / (b[column] + 1e-6)) for column in a]
    mean = fsum(ratios) / len(ratios)
    return fsum((ratio - mean) ** 2 for ratio in ratios)


def _broken(table: Printed, row: Row, values: dict[Column, float]) -> bool:
    return bool(_falls(row, values)) or any(_gaps(table, row, values))


def _gaps(table: Printed, row: Row, values: dict[Column, float]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where two metrics of events with one target cannot both hold: cells and finding.

    A target at a rank from a + 1 to b adds to both metrics; the ratio of the two additions is largest or smallest at
    the first or at the last of these ranks, so the addition to one metric bounds the addition to the other.
    """
    if not row.single:
        return
    values = {("HR" if metric == "Recall" else metric, k): v for (metric, k), v in values.items()}
    for upper, lower in combinations(WEIGHTS, 2):
        ks = [0, *sorted(k for metric, k in values if metric == upper and (lower, k) in values)]
        for a, b in combinations(ks, 2):
            ends = [WEIGHTS[upper](r) / WEIGHTS[lower](r) for r in (a + 1, b)]
            gain = {m: values[m, b] - (values[m, a] if a else 0) for m in (upper, lower)}
            slack = table.half * (2 if a else 1)
            low = min(ends) * max(gain[lower] - slack, 0) - slack
            high = max(ends) * max(gain[lower] + slack, 0) + slack
            if gain[lower] >= -1e-9 and gain[upper] >= -1e-9 and not low - 1e-9 <= gain[upper] <= high + 1e-9:
                span = f"from {a} to {b}" if a else f"at {b}"
                cells = tuple(f"{m}@{k}" for m in (upper, lower) for k in (a, b) if k)
                text = f"{upper} {gain[upper]:.4f} {span} beside {lower} {gain[lower]:.4f}: it must lie in"
                yield cells, f"{text} {max(low, 0):.4f} .. {high:.4f}"


def apart(table: Printed) -> Iterator[Breach]:
    """Where an event has one target, HR, NDCG and MRR bound each other, at each K and between any two."""
    for row in table.methods:
        for cells, text in _gaps(table, row, row.values):
            yield Breach("metrics contradict each other", row.line, str(row), cells, text)


class Share(NamedTuple):
    """The share of events in the first of two groups, in which the cells of a dataset agree."""

    data: tuple[tuple[str, str], ...]
    groups: tuple[str, str]
    low: float
    high: float
    agree: int
    cells: list[tuple[Row, Column, float, float, float]]  # overall, first and second group


def shares(table: Printed) -> list[Share]:
    """Return the share of events in the first group of each dataset and pair of groups ("GROUPING: NAME")."""
    rows: dict[tuple, dict[str, Row]] = {}
    for row in table.methods:
        if group := row.labels.get("group"):
            rows.setdefault((row.question("group"), row.method), {})[group] = row
    result: dict[tuple, list] = {}
    for (question, _), groups in rows.items():
        label_row = [group for group in groups if ": " in group]
        for grouping in dict.fromkeys(group.partition(": ")[0] for group in label_row):
            pair = tuple(group for group in label_row if group.startswith(f"{grouping}: "))
            if len(pair) == 2 and OVERALL in groups:
                data = tuple((k, v) for k, v in question if k not in ("backbone", "representation"))
                cells = result.setdefault((data, pair), [])
                whole, first, second = groups[OVERALL], groups[pair[0]], groups[pair[1]]
                both = [c for c in whole.values if c in first.values and c in second.values]
                cells += [(whole, c, whole.values[c], first.values[c], second.values[c]) for c in both]
    return [_share(data, pair, cells, 2 * table.half + 1e-9) for (data, pair), cells in result.items()]


def _share(data: tuple, pair: tuple[str, str], cells: list, slack: float) -> Share:
    """Return the span of shares that most cells allow: each allows those that give its overall value to the digit."""
    spans = []
    for *_, whole, first, second in cells:
        if abs(second - first) > slack:
            ends = sorted((second - whole + side * slack) / (second - first) for side in (-1, 1))
            spans.append((max(ends[0], 0.0), min(ends[1], 1.0)))
    starts = [low for low, high in spans if low <= high]
    if not starts:
        return Share(data, pair, 0.0, 1.0, 0, cells)
    best = max(starts, key=lambda at: sum(low <= at <= high for low, high in spans))
    spans_of_best = [(low, high) for low, high in spans if low <= best <= high]
    return Share(data, pair, best, min(high for _, high in spans_of_best), len(spans_of_best), cells)


def parted(table: Printed) -> Iterator[Breach]:
    """The overall value is the mean of two groups by one share of events, whatever the metric and the method."""
    for _, pair, low, high, agree, cells in shares(table):
        share, slack = (low + high) / 2, 2 * table.half + 1e-9
        for row, column, whole, first, second in cells:
            off = share * first + (1 - share) * second - whole
            outside = not min(first, second) - slack <= whole <= max(first, second) + slack
            if outside or (agree >= 2 and abs(off) > slack + (high - low) / 2 * abs(second - first)):
                text = f"{whole:.4f} overall; {', '.join(pair)} give {whole + off:.4f} ({off:+.4f}) by the share"
                text += f" {share:.3f}, in which {agree} cells agree" + ("; outside both groups" if outside else "")
                yield Breach("groups do not add up", row.line, str(row), (name(column),), text)


def improved(table: Printed) -> Iterator[Breach]:
    """A printed improvement is the gain of the row above over the best other one, to its digits."""
    for place, row in enumerate(table.rows):
        if not row.improvement:
            continue
        own = table.rows[place - 1]
        others = [r for r in table.methods if r.question() == row.question() and r is not own]
        for column, printed in row.values.items():
            best = max((r.values[column] for r in others if column in r.values), default=0)
            if not best or column not in own.values:
                continue
            gain = 100 * (own.values[column] / best - 1)
            if abs(gain - printed) > table.half_percent + 1e-6:
                text = f"{printed:+.2f} % printed, {gain:+.2f} % by its own rows ({own.values[column]:.4f}, {best:.4f})"
                yield Breach("improvement does not follow", row.line, str(row), (name(column),), text)
