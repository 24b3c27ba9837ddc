"""The metrics of all cells of one backbone, in one file."""

import polars as pl

from ptebench.files import METRICS, read_table, write_table
from ptebench.job import run


def main(job) -> None:
    """Write METRICS, the cells in the order given."""
    write_table(pl.concat(read_table(path, METRICS) for path in job.inputs["cells"]), job.outputs["metrics"], METRICS)


if __name__ == "__main__":
    run(main)
