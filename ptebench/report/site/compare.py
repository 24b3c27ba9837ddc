"""Rows beside each other: which differ beyond chance, accuracy against cost, whether questions order them alike."""

from itertools import combinations
from typing import NamedTuple

import polars as pl
from markupsafe import Markup
from scipy.stats import kendalltau

from ptebench.report.rendering import LEAKS, PANEL, question
from ptebench.report.significance import LEVEL
from ptebench.report.site import drawing
from ptebench.report.site.methods import ranking_path
from ptebench.report.site.results import Method, Panel, Results, Table

SHARED = 3  # rows that two questions must share to be compared


class Comparison(NamedTuple):
    """The drawings of a panel at its first metric."""

    panel: Panel
    metric: str
    cliques: Markup | None
    pareto: Markup
    points: list[tuple[Method, float, float, bool]]  # value, seconds, whether on the front


def comparison(results: Results, table: Table, panel: Panel, part: pl.DataFrame) -> Comparison:
    """Return the critical differences and the accuracy against the cost of a panel, of rows that do not leak."""
    metric, k = part.select("metric", "k").row(0)
    column = part.filter(~LEAKS, metric=metric, k=k).sort("mean", descending=True, maintain_order=True)
    means = column.select("backbone", "representation", "mean").iter_rows()
    rows = [(Method(*panel[:2], backbone, representation), mean) for backbone, representation, mean in means]
    pairs = table.pairs(panel, metric, k)
    names = [(method.name, mean) for method, mean in rows]
    title = f"{metric}@{k} of {panel[0]}, {question(*panel[1:])}"
    alike = None
    if all((a.name, b.name) in pairs for (a, _), (b, _) in combinations(rows, 2)):
        same = {(a, b) for a, b in combinations(range(len(rows)), 2) if _alike(pairs[names[a][0], names[b][0]].p)}
        alike = drawing.cliques(names, runs(len(rows), same), f"{metric}@{k}", f"Critical differences at {title}")
    points = [(method, mean, seconds(results, method)) for method, mean in rows]
    best = {method for method, *own in points if not any(_betters(other, own) for _, *other in points)}
    dots = [(method.name, cost, mean, method in best) for method, mean, cost in points]
    axes = ("seconds of all jobs behind a cell", f"{metric}@{k}")
    pareto = drawing.scatter(dots, axes, f"Accuracy and cost, {title}")
    return Comparison(panel, f"{metric}@{k}", alike, pareto, [(m, v, c, m in best) for m, v, c in points])


def _betters(other: list[float], own: list[float]) -> bool:
    """Return whether a row (value, cost) is as good and as cheap as another, and one of both more so."""
    return other != own and other[0] >= own[0] and other[1] <= own[1]


def _alike(p: float | None) -> bool:
    return p is None or p > LEVEL


def runs(number: int, alike: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest runs (first, last) of rows in order in which every two are alike; none lies in another."""
    found: list[tuple[int, int]] = []
    for first in range(number):
        last = first
        while last + 1 < number and all((place, last + 1) in alike for place in range(first, last + 1)):
            last += 1
        if last > first and not (found and found[-1][1] >= last):
            found.append((first, last))
    return found


def seconds(results: Results, method: Method) -> float:
    """Return the mean seconds of all jobs behind a cell of a row."""
    costs = [results.records.cost(ranking_path(method, seed)) for seed in results.methods[method]]
    return sum(costs) / len(costs)


class Agreement(NamedTuple):
    """Kendall's tau-b between the orders of rows by several questions; None where too few rows are shared."""

    dataset: str
    questions: list[str]
    taus: list[list[float | None]]


def agreements(results: Results) -> list[Agreement]:
    """Return for each dataset how alike its questions (protocol, ranking, group, metric, K) order the rows."""
    values = pl.concat(table.values for table in results.tables).filter(~LEAKS)
    found = []
    for (dataset,), own in values.group_by("dataset", maintain_order=True):
        orders: dict[str, dict[str, float]] = {}
        for key, part in own.group_by([*PANEL, "metric", "k"], maintain_order=True):
            name = f"{question(str(key[1]), str(key[2]), str(key[3]))}: {key[4]}@{key[5]}"
            rows = part.select("backbone", "representation", "mean").iter_rows()
            orders[name] = {f"{backbone}/{representation}": mean for backbone, representation, mean in rows}
        taus = [[tau(a, b) for b in orders.values()] for a in orders.values()]
        found.append(Agreement(str(dataset), list(orders), taus))
    return found


def tau(first: dict[str, float], other: dict[str, float]) -> float | None:
    """Return Kendall's tau-b between two orders of the rows that they share."""
    shared = [name for name in first if name in other]
    if len(shared) < SHARED:
        return None
    value = float(kendalltau([first[name] for name in shared], [other[name] for name in shared]).statistic)
    return None if value != value else value
