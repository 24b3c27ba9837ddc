"""One table of the study: CSV, Markdown, LaTeX and HTML from the metrics of its cells."""

import polars as pl

from ptebench.files import METRICS, read_table, write_table, write_text
from ptebench.job import run
from ptebench.report.tables import TABLE, build, latex, markdown, read_published, web


def main(job) -> dict:
    """Write one table in four forms."""
    metrics = pl.concat(read_table(path, METRICS) for path in job.inputs["metrics"])
    table = build(job.spec, metrics, read_published(job.input("published")))
    title = job.spec["title"]
    write_table(table, job.outputs["csv"], TABLE)
    write_text(markdown(table, title), job.outputs["markdown"])
    write_text(latex(table, title, job.spec["table"]), job.outputs["latex"])
    write_text(web(table, title), job.outputs["html"])
    return {"values": table.height, "published": table["published"].count()}


if __name__ == "__main__":
    run(main)
