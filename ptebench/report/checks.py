"""Checks that hold for the metrics of any model: a failure means that a rank or a metric was computed wrongly."""

import math
from collections.abc import Collection

import polars as pl

from ptebench.files import InputError
from ptebench.report.lists import OF_ALL
from ptebench.report.metrics import OVERALL

TOLERANCE = 1e-9
KEY = ["ranking", "group", "metric", "k"]
LARGEST = {"Novelty": math.inf, "Diversity": 2}  # of others 1
RISING = ["HR", "Recall", "MAP", "MRR", "Coverage"]  # with K, whatever the targets


def check_metrics(
    metrics: pl.DataFrame, single: Collection[str] = (), partitions: Collection[tuple[str, list[str]]] = ()
) -> pl.DataFrame:
    """Return `metrics` (ranking, group, metric, k, value, events) unchanged when its laws hold.

    Values are numbers in [0, 1], one for each key; Novelty has no upper bound, and Diversity ends at 2. HR, Recall,
    MAP, MRR and Coverage never fall with K, and HR >= Recall >= MAP and HR >= MRR at each K. In a ranking of `single`,
    where every event has one target, NDCG never falls with K either, HR equals Recall, MAP equals MRR, and Recall >=
    NDCG >= MRR at each K. For each (ranking, groups) of `partitions`, the overall value is the mean of the groups',
    weighted by their events, to 1e-9, but for Coverage and Gini. Raises InputError naming the ranking,
    group, metric and K at fault.
    """
    twice = metrics.filter(pl.struct(KEY).is_duplicated())
    _refuse(twice, "has two values; a group's name is used twice")
    for name in metrics["metric"].unique(maintain_order=True):
        rows, most = metrics.filter(pl.col("metric") == name), LARGEST.get(name, 1)
        _refuse(rows.filter(~pl.col("value").is_between(0, most + TOLERANCE)), f"is outside 0 .. {most}")
    one = pl.col("ranking").is_in(list(single))
    falls = pl.col("value") < pl.col("value").shift().over("ranking", "group", "metric", order_by="k") - TOLERANCE
    _refuse(
        metrics.filter(falls & (pl.col("metric").is_in(RISING) | one & (pl.col("metric") == "NDCG"))),
        "is lower than at the next smaller K",
    )

    beside = metrics.pivot("metric", index=["ranking", "group", "k"], values="value")
    of_any = [("HR", "Recall"), ("Recall", "MAP"), ("HR", "MRR")]
    of_one = [("Recall", "HR"), ("Recall", "NDCG"), ("NDCG", "MRR"), ("MAP", "MRR"), ("MRR", "MAP")]
    for higher, lower in of_any + of_one:
        if {higher, lower} <= set(beside.columns):
            low = beside.filter(pl.col(higher) < pl.col(lower) - TOLERANCE)
            low = low.filter(one) if (higher, lower) in of_one else low
            _refuse(low.with_columns(metric=pl.lit(higher), value=higher), f"is lower than {lower}")

    for ranking, groups in partitions:
        here = metrics.filter(pl.col("ranking") == ranking)
        mean = (pl.col("value") * pl.col("events")).sum() / pl.col("events").sum()
        here = here.filter(~pl.col("metric").is_in(OF_ALL))
        parts = here.filter(pl.col("group").is_in(groups)).group_by("metric", "k").agg(mean.alias("parts"))
        off = (pl.col("value") - pl.col("parts")).abs() > TOLERANCE
        whole = here.filter(pl.col("group") == OVERALL).join(parts, on=["metric", "k"])
        _refuse(whole.filter(off), f"is not the weighted mean of {', '.join(groups)}")
    return metrics


def _refuse(rows: pl.DataFrame, fault: str) -> None:
    if rows.height:
        row = rows.row(0, named=True)
        raise InputError(
            f"ranking {row['ranking']!r}, group {row['group']!r}: {row['metric']}@{row['k']} = {row['value']} {fault};"
            " the ranks or the groups of this cell are wrong, make them again"
        )
