"""The statistics of all datasets in one table, the published counts beside: CSV, Markdown and LaTeX."""

import polars as pl

from ptebench.files import read_table, write_text
from ptebench.job import run
from ptebench.report.statistics import STATISTICS, latex, markdown, wide


def main(job) -> dict:
    """Write the table in three forms, and say how many published counts are met."""
    frame = pl.concat(read_table(path, STATISTICS) for path in job.inputs["statistics"])
    write_text(wide(frame).write_csv(), job.outputs["csv"])
    write_text(markdown(frame), job.outputs["md"])
    write_text(latex(frame), job.outputs["tex"])
    with_published = frame.filter(pl.col("published").is_not_null())
    return {"published": with_published.height, "equal": with_published.filter(pl.col("verdict") == "equal").height}


if __name__ == "__main__":
    run(main)
