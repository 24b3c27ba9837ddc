"""Every value that has a published one beside it, with a verdict: Markdown."""

import polars as pl

from ptebench.files import read_table, write_text
from ptebench.job import run
from ptebench.report import references
from ptebench.report.tables import TABLE


def main(job) -> dict:
    """Write the comparison over all tables of the configuration."""
    tables = pl.concat(read_table(path, TABLE) for path in job.inputs["tables"])
    write_text(references.render(tables), job.outputs["md"])
    return {"published": tables["published"].count()}


if __name__ == "__main__":
    run(main)
