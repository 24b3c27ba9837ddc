"""What a panel says in words: which row is best, and what each row is beyond ids, counters and its control."""

from collections import Counter
from typing import NamedTuple

import polars as pl

from ptebench.files import LEAK
from ptebench.report.rendering import LEAKS
from ptebench.report.site.results import Method, Pair, Panel, Results, Table


class Line(NamedTuple):
    """A row of a panel beside what it must beat: (name of the other, pair) each, None where there is none."""

    method: Method
    mean: float
    ids: tuple[str, Pair] | None
    counter: tuple[str, Pair] | None
    control: tuple[str, Pair] | None


class Verdict(NamedTuple):
    """What a panel says at its first metric."""

    panel: Panel
    metric: str
    sentence: str
    lines: list[Line]


def verdicts(results: Results, table: Table) -> list[Verdict]:
    """Return the verdict of each panel of a table, then of each split on which every row failed."""
    lost = Counter((f["dataset"], f["protocol"]) for f in table.spec.get("failed", []))
    found = [verdict(results, table, panel, part, lost[panel[:2]]) for panel, part in table.panels()]
    there = {one.panel[:2] for one in found}
    ranking, group, metric = (table.spec[key][0] for key in ("rankings", "groups", "metrics"))
    empty = {split: number for split, number in lost.items() if split not in there}
    return found + [Verdict((*s, ranking, group), metric, f"{n} of {n} rows failed.", []) for s, n in empty.items()]


def verdict(results: Results, table: Table, panel: Panel, part: pl.DataFrame, lost: int) -> Verdict:
    """Return the verdict of a panel, on whose split `lost` rows failed."""
    metric, k = part.select("metric", "k").row(0)
    column = part.filter(metric=metric, k=k).sort("mean", descending=True, maintain_order=True)
    means = {Method(*panel[:2], b, r): m for b, r, m in column.select("backbone", "representation", "mean").iter_rows()}
    pairs = table.pairs(panel, metric, k)
    leaks = {Method(*panel[:2], b, r) for b, r in column.filter(LEAKS).select("backbone", "representation").iter_rows()}

    def beside(method: Method, other: Method | None) -> tuple[str, Pair] | None:
        found = other and pairs.get((method.name, other.name))
        return (other.name, found) if other and found and other != method else None

    counters = [method for method in means if results.counter(method)]
    lines = []
    for method, mean in means.items():
        ids = next((m for m in means if m.backbone == method.backbone and m.representation in table.spec["ids"]), None)
        controls = [m for m in means if results.control(m) == method]
        floor = next((m for m in counters if (m in leaks) == (method in leaks)), None)
        control = controls[0] if controls else None
        lines.append(Line(method, mean, beside(method, ids), beside(method, floor), beside(method, control)))
    rows = part.select("backbone", "representation").n_unique() + lost
    failed = f"{lost} of {rows} rows failed. " if lost else ""
    sound = {method: mean for method, mean in means.items() if method not in leaks}
    apart = f" {len(leaks)} of {rows} rows {LEAK}, and {'are left out' if sound else 'no other is here'}."
    sentence = failed + _sentence(sound or means, pairs) + apart * bool(leaks)
    return Verdict(panel, f"{metric}@{k}", sentence, lines)


def _sentence(means: dict[Method, float], pairs: dict[tuple[str, str], Pair]) -> str:
    """Return which row is best, and whether by more than chance."""
    first, *others = means
    if not others:
        return f"{first.name} is the only row with a value ({means[first]:.4f})."
    if means[first] == means[others[0]]:
        return f"{first.name} and {others[0].name} are level at {means[first]:.4f}."
    text = f"{first.name} is best ({means[first]:.4f}), before {others[0].name} ({means[others[0]]:.4f}); "
    pair = pairs.get((first.name, others[0].name))
    if pair is None or pair.p is None:
        return text + "the two were not compared."
    how = "more than chance" if pair.verdict == "above" else "no more than chance"
    return text + f"the lead is {how} (p by Holm {pair.p:.2g})."
