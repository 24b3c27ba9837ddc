"""Read a dataset's raw files into interactions, in order of events, and items with their cards."""

from importlib import import_module

from ptebench.data.filters import catalogue, prepare, shown_to
from ptebench.data.parts import distinct, write_parts
from ptebench.files import INTERACTIONS, ITEMS, write_table
from ptebench.job import run


def main(job):
    # simulated files are in a publisher's schema and read by that publisher's reader
    source = job.spec.get("layout", job.spec["source"])
    read = import_module(f"ptebench.data.sources.{source}").read(job.inputs, job.spec)
    interactions, dropped = prepare(read.interactions, job.spec)
    shown = read.impressions
    if shown is not None:  # what is shown may never be clicked, and is an item all the same
        shown = shown_to(distinct(interactions, "user_id"), shown, job.spec)
    items, found = catalogue(read.items, interactions, shown)
    write_parts(interactions, job.outputs["interactions"], INTERACTIONS)
    write_table(items, job.outputs["items"], ITEMS)
    notes = {**read.counts, **dropped, **found}
    for name, value in notes.items():
        print(f"{name.replace('_', ' ')}: {value:,}")
    return {"notes": notes}


if __name__ == "__main__":
    run(main)
