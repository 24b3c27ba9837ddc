"""A Workflow Run RO-Crate of the tables, with adapters and item vectors in the hub's layout."""

from pathlib import Path

from ptebench.job import Job, run
from ptebench.provenance import folder_digests
from ptebench.report.crate.crate import write_crate
from ptebench.report.site.results import Results


def main(job: Job) -> dict:
    """Write the crate; what stands in it is read from the records of the tables."""
    results = Results.read(Path(), [path.stem for path in job.inputs["tables"]], job.spec | {"command": job.run})
    folder = job.outputs["metadata"].parent
    write_crate(results, job.spec["configuration"], folder)
    return {"outputs": folder_digests(folder), "tables": len(results.tables), "records": len(results.records.all)}


if __name__ == "__main__":
    run(main)
