"""Tables of metrics: each value with its interval over events and the published value.

A table is built once as a frame, one row a value; markdown.py, latex.py and html.py render that frame, so that the
forms agree.
Within a panel (dataset, protocol, ranking, group) rows are methods in the order declared and columns are metrics.
"""

import math
from collections.abc import Collection
from itertools import product
from statistics import fmean, stdev

import numpy as np
import polars as pl

from ptebench.files import InputError, read_table
from ptebench.report.lists import OF_ALL, is_of_lists, metrics_of_events, metrics_of_ranks
from ptebench.report.rendering import INPUTS, LEAKS
from ptebench.report.significance import Evidence, Panel, Row, find_leaks, find_rivals

TABLE = {
    "dataset": pl.String, "protocol": pl.String, "ranking": pl.String, "group": pl.String, "backbone": pl.String,
    "representation": pl.String, "text": pl.String, "width": pl.Int64, "parameters": pl.Int64, "metric": pl.String,
    "k": pl.Int64, "seeds": pl.Int64, "mean": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "events": pl.Int64, "targets": pl.String,
    "event_sd": pl.Float64, "seed_sd": pl.Float64,
    "mark": pl.String, "compare": pl.String, "above": pl.String, "below": pl.String, "other": pl.String,
    "lead": pl.Float64, "lead_low": pl.Float64, "lead_high": pl.Float64, "comparisons": pl.Int64,
    "resolution": pl.Float64, "published": pl.Float64, "published_sd": pl.Float64,
    "difference": pl.Float64, "source": pl.String, "provenance": pl.String,
}  # fmt: skip
COMPARISONS = {
    "dataset": pl.String, "protocol": pl.String, "ranking": pl.String, "group": pl.String, "metric": pl.String,
    "k": pl.Int64, "backbone": pl.String, "representation": pl.String, "other_backbone": pl.String,
    "other_representation": pl.String, "events": pl.Int64, "difference": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "d_z": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64,
}  # fmt: skip
PUBLISHED = {
    "dataset": pl.String, "protocol": pl.String, "backbone": pl.String, "representation": pl.String,
    "ranking": pl.String, "group": pl.String, "remove_seen": pl.Boolean, "metric": pl.String, "k": pl.Int64,
    "value": pl.Float64, "sd": pl.Float64, "source": pl.String,
}  # fmt: skip
PUBLISHED_KEY = list(PUBLISHED)[:9]


def read_published(path) -> pl.DataFrame:
    """Read published.csv; raise InputError for a value that is given twice.

    A value for several datasets (the published split and our own draw of it) lists their keys, separated by spaces, and
    becomes one row each. An empty `remove_seen` matches protocols with and without seen items.
    """
    frame = read_table(path, PUBLISHED).with_columns(pl.col("dataset").str.split(" ")).explode("dataset")
    key, remove_seen = [c for c in PUBLISHED_KEY if c != "remove_seen"], pl.col("remove_seen")
    clash = remove_seen.is_duplicated().any() | (remove_seen.is_null().any() & (pl.len() > 1))
    twice = frame.group_by(key, maintain_order=True).agg(clash=clash).filter("clash")
    if twice.height:
        raise InputError(f"{path}: {', '.join(map(str, twice.row(0)[:-1]))}: given twice; keep one")
    return frame


def mark_best(means: list[float], leaks: Collection[int] = ()) -> list[str]:
    """Return "best", "second" or "" for each mean of a column; ties share a mark, and if all tie there is none.

    Rows in `leaks` have none, and take none from others.
    """
    order = sorted({mean for row, mean in enumerate(means) if row not in leaks}, reverse=True)
    if len(order) < 2:
        return [""] * len(means)
    marks = dict(zip(order, ("best", "second")))
    return ["" if row in leaks else marks.get(mean, "") for row, mean in enumerate(means)]


def leaking(metrics: pl.DataFrame) -> set[Row]:
    """Return the rows of METRICS whose text's writer saw held-out items."""
    return set(metrics.filter(LEAKS).select("dataset", "protocol", "backbone", "representation").iter_rows())


def build(spec: dict, metrics: pl.DataFrame, published: pl.DataFrame, evidence: dict[Panel, Evidence]) -> pl.DataFrame:
    """Return the TABLE frame of a grid, in the order declared.

    `spec` holds `table` (name), `metrics`, `rankings`, `groups`, `cells` (lists of dataset, protocol, backbone,
    representation, seeds), `published` (dataset -> key or None), `protocols` (name -> kind, remove_seen), `compare`
    and `ids` (names of representations). `metrics` is a METRICS frame, `evidence` that of each panel. Raises
    InputError naming the first cell whose value is missing.
    """
    cell_key = ["dataset", "protocol", "backbone", "representation", "seed"]
    keys = [*cell_key, "ranking", "group", "metric", "k"]
    values = {row[:-2]: row[-2:] for row in metrics.select(*keys, "value", "targets").iter_rows()}
    inputs = {
        row[:5]: dict(zip(INPUTS, row[5:], strict=True)) for row in metrics.select(*cell_key, *INPUTS).iter_rows()
    }
    published_values = _by_place(published)
    panels: dict[tuple[str, str], list[list]] = {}
    for dataset, protocol, *method in spec["cells"]:
        panels.setdefault((dataset, protocol), []).append(method)
    rows, leaks = [], leaking(metrics)
    for split, methods in panels.items():
        leaky = find_leaks(split, methods, leaks)
        for ranking, group in product(spec["rankings"], spec["groups"]):
            panel = (*split, ranking, group)
            for metric in spec["metrics"]:
                column = [_row(spec, panel, method, metric, values, inputs, published_values) for method in methods]
                means = [row["mean"] for row in column]
                more = _evidence_columns(spec, methods, means, evidence[panel], metric, leaky)
                marks = [""] * len(means) if is_of_lists(metric) else mark_best(means, leaky)
                rows += [row | {"mark": m} | e for row, m, e in zip(column, marks, more, strict=True)]
    return pl.DataFrame(rows, schema=TABLE)


def _by_place(published: pl.DataFrame) -> dict[tuple, tuple]:
    """Return value, standard deviation and source of each published value by PUBLISHED_KEY."""
    result = {}
    for *key, remove_seen, metric, k, value, sd, source in published.iter_rows():
        for flag in (True, False) if remove_seen is None else (remove_seen,):
            result[(*key, flag, metric, k)] = value, sd, source
    return result


def _row(
    spec: dict, panel: Panel, method: list, metric: str, values: dict, inputs: dict, published_values: dict
) -> dict:
    """Return what a method's seeds and the papers say of one metric in a panel."""
    dataset, protocol, ranking, group = panel
    backbone, representation, seeds = method
    rules, name, k = spec["protocols"][protocol], metric.split("@")[0], int(metric.split("@")[1])
    cells = [(dataset, protocol, backbone, representation, seed) for seed in seeds]
    pairs = [_value(values, spec["table"], cell, ranking, group, name, k) for cell in cells]
    each, targets = [value for value, _ in pairs], pairs[0][1]
    mean = fmean(each)
    # one target is all of them: papers call the same value Recall
    as_published = "Recall" if name == "HR" and targets == "one" else name
    place = (spec["published"].get(dataset), rules["kind"], backbone, representation, ranking, group)
    value, sd, source = published_values.get((*place, rules["remove_seen"], as_published, k), (None, None, None))
    return {
        "dataset": dataset, "protocol": protocol, "ranking": ranking, "group": group,
        "backbone": backbone, "representation": representation, **inputs[cells[0]], "metric": name, "k": k,
        "seeds": len(each), "mean": mean, "targets": targets, "seed_sd": stdev(each) if len(each) > 1 else None,
        "published": value, "published_sd": sd, "difference": None if value is None else mean - value,
        "source": source, "provenance": ";".join(_provenance(*cell) for cell in cells),
    }  # fmt: skip


def _evidence_columns(
    spec: dict, methods: list, means: list[float], evidence: Evidence, name: str, leaks: set[int]
) -> list[dict]:
    """Return the columns that evidence adds to each row: interval, variance over events, rows it leads or trails.

    Where a row has one rival, `other`, its lead is the paired difference, with its interval. Metrics of lists have
    none: what is recommended is no better for being more diverse. Those of all lists together have no interval either.
    """
    if is_of_lists(name):
        plain = {"events": evidence.events, "compare": spec["compare"], "above": "", "below": "", "other": ""}
        plain |= {"comparisons": 0, "resolution": evidence.resolution}
        spans = [{} for _ in methods] if name.startswith(OF_ALL) else _spans(spec, evidence, name)
        return [plain | span for span in spans]
    metric = metrics_of_events(spec["metrics"]).index(name)
    rows = [tuple(method[:2]) for method in methods]
    others = find_rivals(spec["compare"], rows, spec["ids"], means, leaks)
    result = []
    for row, (other, span) in enumerate(zip(others, _spans(spec, evidence, name), strict=True)):
        signs = {"/".join(rows[o]): evidence.sign(metric, row, o) for o in other}
        lead = evidence.lead(metric, row, other[0]) if len(other) == 1 else (math.nan,) * 3
        family = sum((one in leaks) == (row in leaks) for one, _ in evidence.pairs)
        result.append(span | {
            "events": evidence.events, "compare": spec["compare"],
            "above": ";".join(name for name, sign in signs.items() if sign > 0),
            "below": ";".join(name for name, sign in signs.items() if sign < 0),
            "other": ";".join(signs) if len(other) == 1 else "",
            **dict(zip(("lead", "lead_low", "lead_high"), map(_number, lead), strict=True)),
            "comparisons": family, "resolution": evidence.resolution,
        })  # fmt: skip
    return result


def _spans(spec: dict, evidence: Evidence, name: str) -> list[dict]:
    """Return the interval and the variance over events of each row."""
    metric = metrics_of_events(spec["metrics"]).index(name)
    columns = {"low": evidence.low, "high": evidence.high, "event_sd": evidence.sd}
    return [
        {key: _number(value) for key, value in zip(columns, row)} for row in zip(*(c[metric] for c in columns.values()))
    ]


def _number(value: float) -> float | None:
    """Return a value rounded to ten digits, so that the order of summands does not matter; None for nan."""
    return None if math.isnan(value) else round(float(value), 10)


def build_comparisons(spec: dict, evidence: dict[Panel, Evidence]) -> pl.DataFrame:
    """Return the COMPARISONS frame: every pair of rows that a table tests, first minus other."""
    methods: dict[tuple[str, str], list[tuple[str, str]]] = {}
    rows = []
    for dataset, protocol, backbone, representation, _ in spec["cells"]:
        methods.setdefault((dataset, protocol), []).append((backbone, representation))
    for panel, e in evidence.items():
        names = methods[panel[:2]]
        numbers = np.stack([e.difference, e.difference_low, e.difference_high, e.d_z, e.p, e.p_holm])
        for metric, (name, k) in enumerate(m.split("@") for m in metrics_of_ranks(spec["metrics"])):
            for place, (first, other) in enumerate(e.pairs):
                values = map(_number, numbers[:, metric, place])
                rows.append((*panel, name, int(k), *names[first], *names[other], e.events, *values))
    return pl.DataFrame(rows, schema=COMPARISONS, orient="row")


def _provenance(dataset, protocol, backbone, representation, seed) -> str:
    return f"results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}/provenance.json"


def _value(values: dict, table: str, cell: tuple, ranking: str, group: str, metric: str, k: int) -> tuple[float, str]:
    """Return a value and whether its events have one target or several."""
    value = values.get((*cell, ranking, group, metric, k))
    if value is None:
        *names, seed = cell
        raise InputError(
            f"table {table!r}: cell {'/'.join(names)}/seed={seed} has no {metric}@{k} for ranking {ranking!r}, group"
            f" {group!r}; see what results/metrics/{'/'.join(names[:3])}.csv holds, and mend tables.{table}"
        )
    return value
