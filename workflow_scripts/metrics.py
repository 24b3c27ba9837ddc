"""Metrics of cells from their ranks and lists, overall and by group, checked against the laws of audit.py."""

import polars as pl

from ptebench.files import GROUPS, METRICS, RANKS, read_json, read_table, write_table
from ptebench.job import run
from ptebench.report.checks import check_metrics
from ptebench.report.lists import read_measures
from ptebench.report.metrics import average_events, event_values, find_partitions, vain_cuts


def measure(ranks: pl.DataFrame, groups: pl.DataFrame, ks: list[int], of_lists: pl.DataFrame | None) -> pl.DataFrame:
    """Return the metrics of one cell from its ranks, with those of its lists where there are any."""
    values = event_values(ranks, ks)
    metrics = pl.concat([average_events(values, groups), *([] if of_lists is None else [of_lists])])
    most = values.group_by("ranking").agg(targets=pl.col("targets").max())
    single = set(most.filter(pl.col("targets") == 1)["ranking"])
    targets = pl.when(pl.col("ranking").is_in(single)).then(pl.lit("one")).otherwise(pl.lit("several"))
    return check_metrics(metrics, single, find_partitions(values, groups)).with_columns(targets=targets)


def main(job) -> dict:
    """Write METRICS, the cells in the order of their ranks and records."""
    groups, frames = read_table(job.input("groups"), GROUPS), []
    ks = sorted(job.spec["ks"])
    of_lists = read_measures(job.inputs, groups, [k for k in ks if k <= job.spec.get("lists", 0)])
    files = (job.inputs["ranks"], job.inputs["records"], of_lists)
    for cell, path, record, lists in zip(job.spec["cells"], *files, strict=True):
        ranks = read_table(path, RANKS)
        for cuts in [] if frames else vain_cuts(ranks, ks):  # the same of all cells
            print(f"note: {cell['dataset']}, {cell['protocol']}: {cuts}")
        cost = {key: read_json(record)[key] for key in ("width", "parameters")}
        columns = (pl.lit(value, dtype=METRICS[key]).alias(key) for key, value in {**cell, **cost}.items())
        frames.append(measure(ranks, groups, ks, lists).with_columns(columns).select(*METRICS))
    write_table(pl.concat(frames), job.outputs["metrics"], METRICS)
    return {"cells": len(frames)}


if __name__ == "__main__":
    run(main)
