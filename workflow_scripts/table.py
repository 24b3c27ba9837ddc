"""One table of the study: CSV, Markdown, LaTeX and HTML from the metrics and ranks of its cells."""

import polars as pl

from ptebench.files import METRICS, read_table, write_table, write_text
from ptebench.job import run
from ptebench.report import html, latex, markdown
from ptebench.report.captions import write_captions
from ptebench.report.claims import check_claims
from ptebench.report.costs import COSTS, build_costs, rising
from ptebench.report.rendering import Sheet
from ptebench.report.significance import collect_evidence
from ptebench.report.tables import COMPARISONS, TABLE, build, build_comparisons, leaking, read_published


def main(job) -> dict:
    """Write one table in four forms, the comparisons behind its marks, and what its rows took."""
    metrics = pl.concat(read_table(path, METRICS) for path in job.inputs["metrics"])
    evidence = collect_evidence(job.spec, job.inputs, leaking(metrics))
    table = build(job.spec, metrics, read_published(job.input("published")), evidence)
    pairs = build_comparisons(job.spec, evidence)
    files = (job.inputs.get(name, []) for name in ("ranks", "groups", "train", "data", "texts"))
    captions = write_captions(job.spec, *files)
    claims = check_claims(job.spec, table, pairs, job.inputs["ranks"], job.inputs["groups"])
    write_table(table, job.outputs["csv"], TABLE)
    costs = build_costs(job.spec, metrics, job.inputs["records"], job.inputs.get("trials", []))
    write_table(costs, job.outputs["costs"], COSTS)
    write_table(pairs, job.outputs["comparisons"], COMPARISONS)
    below = [*claims, *rising(costs)]
    sheet = Sheet(table, job.spec["title"], job.spec["table"], below, job.spec.get("failed", []), captions)
    for name, form in {"md": markdown, "tex": latex, "html": html}.items():
        write_text(form.render(sheet), job.outputs[name])
    for claim in claims:
        print(claim)
    return {"values": table.height, "published": table["published"].count(), "captions": captions}


if __name__ == "__main__":
    run(main)
