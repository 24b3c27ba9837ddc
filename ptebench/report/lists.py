"""Metrics of top-K lists, which say nothing of targets: what is recommended, not whether it is right.

Over the first K items of the lists of all events of a ranking, or of the events of a group:
  Coverage   share of the pool that stands in any list
  Gini       how unequally lists name the items of the pool: sum over j of (2 j - n - 1) c_j / (n sum of c), where
             c_1 <= ... <= c_n count how often each item of the pool is named; 0 where all are named alike
and as a mean over events:
  Novelty    mean over the list of -log2(n_i / U), U training users, of whom n_i chose the item; 1 where none did
  Diversity  mean over pairs of items of the list of 1 - cosine of the vectors of their cards, from K = 2
The pool is every item that a list of the ranking could hold. A list of fewer items counts as it is; one of fewer than
two has the diversity 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ptebench.files import LISTS, TRAIN, Array, ragged, read_table, read_vectors
from ptebench.report.metrics import OVERALL, average_events

LIST_METRICS = ("Coverage", "Gini", "Novelty", "Diversity")
OF_ALL = ("Coverage", "Gini")  # of the lists of all events together: no mean over events, so no interval
LIST_MEANS = ("Novelty", "Diversity")
CHUNK = 1024  # events whose vectors are in memory at once


def is_of_lists(metric: str) -> bool:
    """Return whether a metric, with or without @K, is one of lists."""
    return metric.partition("@")[0] in LIST_METRICS


def metrics_of_ranks(metrics: Sequence[str]) -> list[str]:
    """Return those metrics, NAME@K, that are made of ranks."""
    return [metric for metric in metrics if not is_of_lists(metric)]


def metrics_of_events(metrics: Sequence[str]) -> list[str]:
    """Return those metrics, NAME@K, that are means over events: of ranks first, then of lists."""
    return metrics_of_ranks(metrics) + [metric for metric in metrics if metric.startswith(LIST_MEANS)]


def count_users(train: pl.DataFrame, largest: int) -> tuple[Array, int]:
    """Return how many training users chose each item (largest + 1,), and how many users there are, of a TRAIN frame."""
    pairs = train.select("user", item=pl.col("history")).explode("item").drop_nulls().unique()
    return np.bincount(pairs["item"].to_numpy(), minlength=largest + 1), train["user"].n_unique()


def read_measures(
    inputs: Mapping[str, Sequence[Path]], groups: pl.DataFrame, ks: Sequence[int]
) -> Iterator[pl.DataFrame | None]:
    """Yield the metrics of the lists of each cell, None of each where there are no lists, or no K within them.

    inputs: files by name, `lists`, of their split `train`, and where Diversity is measured `vectors`.
    """
    if not inputs.get("lists") or not ks:
        yield from repeat(None, len(inputs["ranks"]))
        return
    train = read_table(inputs["train"][0], TRAIN)
    vectors = read_vectors(inputs["vectors"][0]) if "vectors" in inputs else None
    for path in inputs["lists"]:
        yield measure_lists(read_table(path, LISTS), groups, ks, train, vectors)


def measure_lists(
    lists: pl.DataFrame, groups: pl.DataFrame, ks: Sequence[int], train: pl.DataFrame, vectors: Any = None
) -> pl.DataFrame:
    """Return metrics of LISTS as ranking, group, metric, k, value, events.

    `groups` is a GROUPS frame, `train` a TRAIN frame; `vectors` (items + 1, d) of cards, None: Diversity is left out.
    """
    each, of_all = measure_events(lists, ks, train, vectors), _measure_together(lists, groups, ks)
    return pl.concat([average_events(each, groups), of_all]).sort(
        pl.col("group") != OVERALL, "ranking", "group", maintain_order=True
    )


def measure_events(lists: pl.DataFrame, ks: Sequence[int], train: pl.DataFrame, vectors: Any = None) -> pl.DataFrame:
    """Return ranking, event, and columns Novelty@K and Diversity@K of LISTS; arguments as of `measure_lists`."""
    values, offsets = ragged(lists["items"])
    columns: dict[str, Any] = {}
    items = _pad(values, offsets, max(ks))
    sizes = np.minimum(offsets[1:] - offsets[:-1], max(ks))
    popularity, users = count_users(train, int(values.max(initial=0)))
    surprise = -np.log2(np.maximum(popularity, 1) / users)
    surprise[0] = 0
    so_far = surprise[items].cumsum(1)
    for k in ks:
        columns[f"Novelty@{k}"] = so_far[:, k - 1] / np.clip(sizes, 1, k)
    if vectors is not None:
        columns |= _diversities(items, sizes, [k for k in ks if k > 1], vectors)
    return lists.select("ranking", "event").with_columns(
        **{name: pl.Series(column) for name, column in columns.items()}
    )


def _pad(values: Array, offsets: Array, width: int) -> Array:
    """Return ragged lists cut to their first `width` values, zeros on the right."""
    place = offsets[:-1, None] + np.arange(width)
    inside = place < offsets[1:, None]
    return np.where(inside, np.append(values, 0)[np.minimum(place, len(values))], 0)


def _diversities(items: Array, sizes: Array, ks: Sequence[int], vectors: Any) -> dict[str, Any]:
    """Return Diversity@K of every list (events, K), of which `sizes` items are not padding."""
    unit = np.asarray(vectors, dtype=np.float64)
    length = np.linalg.norm(unit, axis=1, keepdims=True)
    unit = np.divide(unit, length, out=np.zeros_like(unit), where=length > 0)
    unit[0] = 0
    own = np.square(unit).sum(1)
    columns = {f"Diversity@{k}": np.zeros(len(items)) for k in ks}
    for start in range(0, len(items), CHUNK):
        part = slice(start, start + CHUNK)
        total = unit[items[part]].cumsum(1)
        alone = own[items[part]].cumsum(1)
        for k in ks:
            count = np.minimum(sizes[part], k)
            likeness = np.square(total[:, k - 1]).sum(1) - alone[:, k - 1]
            pairs = np.maximum(count * (count - 1), 1)
            columns[f"Diversity@{k}"][part] = np.where(count > 1, np.clip(1 - likeness / pairs, 0, 2), 0.0)
    return columns


def _measure_together(lists: pl.DataFrame, groups: pl.DataFrame, ks: Sequence[int]) -> pl.DataFrame:
    """Return Coverage and Gini of every ranking and group, as `measure_lists` does."""
    everyone = lists.select("event", pl.lit(OVERALL).alias("group")).unique()
    members = pl.concat([everyone, groups.filter(pl.col("group") != OVERALL)])
    rows = []
    for (ranking, group), part in lists.join(members, on="event").group_by("ranking", "group", maintain_order=True):
        pool = part["pool"][0]
        for k in ks:
            counts = part["items"].list.head(k).explode().drop_nulls().value_counts()["count"].sort().to_numpy()
            rows.append((ranking, group, "Coverage", k, len(counts) / pool, part.height))
            rows.append((ranking, group, "Gini", k, gini(counts, pool), part.height))
    schema = {"ranking": pl.String, "group": pl.String, "metric": pl.String, "k": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema | {"events": pl.Int64}, orient="row")


def gini(counts: Array, pool: int) -> float:
    """Return the Gini index of ascending counts, beside which the other items of the pool count 0."""
    place = np.arange(pool - len(counts) + 1, pool + 1)
    total = counts.sum()
    return float(((2 * place - pool - 1) * counts).sum() / (pool * total)) if total else 0.0
