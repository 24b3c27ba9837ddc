"""The audit of published tables: a page for reviewers, and every breach of a law as CSV."""

from ptebench.files import write_table, write_text
from ptebench.job import run
from ptebench.report.audit import BREACHES, breach_frame, page
from ptebench.report.printed import read_printed


def main(job) -> dict:
    """Audit each printed table; breaches are findings, and no error."""
    tables = [read_printed(path) for path in job.inputs["tables"]]
    breaches = breach_frame(tables)
    write_table(breaches, job.outputs["csv"], BREACHES)
    write_text(page(tables), job.outputs["md"])
    return {"tables": len(tables), "breaches": breaches.height}


if __name__ == "__main__":
    run(main)
