"""The report: a folder of pages that open from the disk, from the tables back to the raw files."""

from pathlib import Path

from ptebench.job import Job, run
from ptebench.provenance import folder_digests
from ptebench.report.site.build import build
from ptebench.report.site.results import Results


def main(job: Job) -> dict:
    """Write the pages; what they show is read from the records of the tables."""
    names = [path.stem for path in job.inputs["tables"]]
    results = Results.read(Path(), names, job.spec | {"command": job.run})
    folder = job.outputs["index"].parent
    build(results, folder)
    return {"outputs": folder_digests(folder), "tables": len(names), "rows": len(results.methods)}


if __name__ == "__main__":
    run(main)
