"""Metrics of cells from their ranks, overall and by group, checked against the laws of audit.py."""

import polars as pl

from ptebench.files import GROUPS, METRICS, RANKS, read_json, read_table, write_table
from ptebench.job import run
from ptebench.report.checks import check_metrics
from ptebench.report.metrics import average_events, event_values, find_partitions


def measure(path, groups: pl.DataFrame, ks: list[int]) -> pl.DataFrame:
    """Return the metrics of one cell."""
    values = event_values(read_table(path, RANKS), ks)
    several = set(values.filter(pl.col("targets") > 1)["ranking"])
    single = set(values["ranking"]) - several
    return check_metrics(average_events(values, groups), single, find_partitions(values, groups))


def main(job) -> dict:
    """Write METRICS, the cells in the order of their ranks and records."""
    groups, frames = read_table(job.input("groups"), GROUPS), []
    for cell, ranks, record in zip(job.spec["cells"], job.inputs["ranks"], job.inputs["records"], strict=True):
        cost = {key: read_json(record)[key] for key in ("width", "parameters")}
        columns = (pl.lit(value, dtype=METRICS[key]).alias(key) for key, value in {**cell, **cost}.items())
        frames.append(measure(ranks, groups, sorted(job.spec["ks"])).with_columns(columns).select(*METRICS))
    write_table(pl.concat(frames), job.outputs["metrics"], METRICS)
    return {"cells": len(frames)}


if __name__ == "__main__":
    run(main)
