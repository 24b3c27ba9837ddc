"""Read a dataset's raw files into interactions, in order of events, and items with their cards."""

from importlib import import_module

from ptebench.data.filters import catalogue, prepare
from ptebench.data.parts import write_parts
from ptebench.files import INTERACTIONS, ITEMS, write_table
from ptebench.job import run


def main(job):
    # simulated files are in a publisher's schema and read by that publisher's reader
    source = job.spec.get("layout", job.spec["source"])
    read, texts, counts = import_module(f"ptebench.data.sources.{source}").read(job.inputs, job.spec)
    interactions, dropped = prepare(read, job.spec)
    items, found = catalogue(texts, interactions)
    write_parts(interactions, job.outputs["interactions"], INTERACTIONS)
    write_table(items, job.outputs["items"], ITEMS)
    notes = {**counts, **dropped, **found}
    for name, value in notes.items():
        print(f"{name.replace('_', ' ')}: {value:,}")
    return {"notes": notes}


if __name__ == "__main__":
    run(main)
