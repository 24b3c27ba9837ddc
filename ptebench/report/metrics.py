"""Metrics from exact ranks, at any K, overall and by group.

An event with targets T has, at a cut K:
  HR      1 where any of T ranks within K, 0 elsewhere
  Recall  share of T that ranks within K; the same where there is one target
  Precision  number of T within K, divided by K
  NDCG    sum of 1 / log2(rank + 1) over the targets within K, divided by the same sum of the best ranks 1, 2, ...
          min(|T|, K), and at most 1, because tied targets could exceed it
  MAP     sum over the targets within K, best first, of the number of targets so far / rank, divided by |T|
  MRR     1 / rank of the best target, 0 where that lies beyond K
A metric is the mean over all events of one ranking, or over the events of one group.
"""

import numpy as np
import polars as pl

from ptebench.files import InputError

OVERALL = "overall"
METRIC = r"^(\w+)@(\d+)$"


def event_values(ranks: pl.DataFrame, ks: list[int]) -> pl.DataFrame:
    """Return one row an event: ranking, event, targets, and a column `METRIC@K` for each metric and K.

    `ranks` is a RANKS frame. Raises InputError for a rank outside 1 .. candidates, and for an event that has
    another number of rows than targets.
    """
    rank = pl.col("rank")
    outside = ranks.filter(~rank.is_between(1, pl.col("candidates")))
    if outside.height:
        row = outside.row(0, named=True)
        raise InputError(
            f"event {row['event']} of ranking {row['ranking']!r}: rank {row['rank']} is outside 1 .."
            f" {row['candidates']}; rank this cell again"
        )
    ranks = ranks.select("ranking", "event", "rank", "targets").sort("ranking", "event", "rank", maintain_order=True)
    so_far = pl.int_range(1, pl.len() + 1).over("ranking", "event")
    gains = {"targets": pl.col("targets"), "rows": pl.lit(1)}
    for k in ks:
        within = rank <= k
        gains[f"HR@{k}"] = gains[f"Recall@{k}"] = within.cast(pl.Float64)
        gains[f"Precision@{k}"] = within.cast(pl.Float64) / k
        gains[f"NDCG@{k}"] = pl.when(within).then(np.log(2) / (rank + 1).log()).otherwise(0.0)
        gains[f"MAP@{k}"] = pl.when(within).then(so_far / rank).otherwise(0.0)
        gains[f"MRR@{k}"] = pl.when(within).then(1 / rank).otherwise(0.0)
    values = ranks.select("ranking", "event", **gains)
    same = (pl.col("event") == pl.col("event").shift()) & (pl.col("ranking") == pl.col("ranking").shift())
    if values.select(same.any()).item():  # most rankings have one target an event: nothing to sum
        largest = [name for name in gains if name.startswith(("targets", "HR", "MRR"))]
        values = values.group_by("ranking", "event", maintain_order=True).agg(
            pl.col(c).max() if c in largest else pl.col(c).sum() for c in gains
        )
    if (wrong := values.filter(pl.col("rows") != pl.col("targets"))).height:
        row = wrong.row(0, named=True)
        raise InputError(
            f"event {row['event']} of ranking {row['ranking']!r}: {row['rows']} ranks for {row['targets']} targets;"
            " rank this cell again"
        )
    targets = values["targets"].to_numpy()
    ideal = np.cumsum(1 / np.log2(np.arange(2, max(ks) + 2)))
    return (
        values.with_columns(pl.col(f"{metric}@{k}") / pl.col("targets") for metric in ("Recall", "MAP") for k in ks)
        .with_columns(
            (pl.col(f"NDCG@{k}") / pl.Series(ideal[np.minimum(targets, k) - 1])).clip(upper_bound=1) for k in ks
        )
        .drop("rows")
    )


def find_partitions(values: pl.DataFrame, groups: pl.DataFrame) -> list[tuple[str, list[str]]]:
    """Return (ranking, groups) wherever every event of a ranking is in exactly one of the groups.

    The candidates are all pairs of groups, and all families of groups whose names share the part before the first
    underscore; names that end in _compat belong to another grouping and are in no family.
    """
    result = []
    for (ranking,), events in values.group_by("ranking", maintain_order=True):
        members = {
            name: set(part["event"])
            for (name,), part in groups.join(events, on="event", how="semi").sort("group").group_by(
                "group", maintain_order=True
            )
        }  # fmt: skip
        names = list(members)
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        alike: dict[str, list[str]] = {}
        for name in (n for n in names if not n.endswith("_compat")):
            alike.setdefault(name.split("_")[0], []).append(name)
        for family in dict.fromkeys([*pairs, *map(tuple, alike.values())]):
            sizes = sum(len(members[name]) for name in family)
            if sizes == events.height == len(set().union(*(members[name] for name in family))):
                result.append((ranking, list(family)))
    return result


def average_events(values: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """Return the means of `event_values` as ranking, group, metric, k, value, events, in a fixed order.

    `groups` is a GROUPS frame. Raises InputError when it names an event that was not ranked.
    """
    unknown = groups.join(values, on="event", how="anti")
    if unknown.height:
        raise InputError(
            f"groups: event {unknown['event'][0]} (group {unknown['group'][0]!r}) was not ranked; rank this cell again"
        )
    everyone = values.select("event", pl.lit(OVERALL).alias("group")).unique()
    columns = [c for c in values.columns if "@" in c]
    wide = (
        values.join(pl.concat([everyone, groups.filter(pl.col("group") != OVERALL)]), on="event")
        .sort("ranking", "group", "event")  # a fixed order of summands gives the same last digit everywhere
        .group_by("ranking", "group", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("events"), pl.col(columns).mean())
    )
    long = wide.unpivot(columns, index=["ranking", "group", "events"], variable_name="name")
    parts = pl.col("name").str.extract_groups(METRIC)
    return (
        long.with_columns(parts.struct[0].alias("metric"), parts.struct[1].cast(pl.Int64).alias("k"))
        .sort(pl.col("group") != OVERALL, "ranking", "group", maintain_order=True)
        .select("ranking", "group", "metric", "k", "value", "events")
    )


def vain_cuts(ranks: pl.DataFrame, ks: list[int]) -> list[str]:
    """Return, of each ranking, at which K all candidates of events lie within K, so that it tells nothing of them."""
    sentences = []
    events = ranks.group_by("ranking", "event").agg(pl.col("candidates").first())
    for ranking, fewest in events.group_by("ranking").agg(pl.col("candidates").min()).sort("ranking").rows():
        if vain := [k for k in ks if k >= fewest]:
            sizes = events.filter(pl.col("ranking") == ranking)["candidates"]
            number, cuts = int((sizes <= vain[-1]).sum()), ", ".join(f"@{k}" for k in vain)
            sentences.append(
                f"{cuts} of ranking {ranking}: {number:,} of {len(sizes):,} events have at most {vain[-1]:,} "
                f"candidates (fewest {fewest:,}), and whatever stands among them is a hit"
            )
    return sentences
