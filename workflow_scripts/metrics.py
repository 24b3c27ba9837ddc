"""Metrics of one cell from its ranks, overall and by group, checked against the laws of audit.py."""

import polars as pl

from ptebench.files import GROUPS, METRICS, RANKS, read_json, read_table, write_table
from ptebench.job import run
from ptebench.report.audit import check_metrics
from ptebench.report.metrics import averages, event_values, partitions


def main(job) -> dict:
    """Write METRICS of one cell."""
    ranks, groups = read_table(job.input("ranks"), RANKS), read_table(job.input("groups"), GROUPS)
    values = event_values(ranks, sorted(job.spec["ks"]))
    several = set(values.filter(pl.col("targets") > 1)["ranking"])
    single = set(values["ranking"]) - several
    frame = check_metrics(averages(values, groups), single, partitions(values, groups))
    cell = {key: job.spec[key] for key in ("dataset", "protocol", "backbone", "representation", "seed", "text")}
    cell |= {key: read_json(job.input("record"))[key] for key in ("width", "parameters")}
    frame = frame.with_columns(pl.lit(value, dtype=METRICS[key]).alias(key) for key, value in cell.items())
    write_table(frame, job.outputs["metrics"], METRICS)
    return {"events": values.height}


if __name__ == "__main__":
    run(main)
