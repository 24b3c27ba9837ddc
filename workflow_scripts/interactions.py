"""Read a dataset's raw files into interactions, in order of events, and items with their cards."""

from importlib import import_module

from ptebench.data.doubts import doubts
from ptebench.data.filters import collect_items, prepare, select_impressions
from ptebench.data.parts import distinct, write_parts
from ptebench.files import INTERACTIONS, ITEMS, write_table
from ptebench.job import run


def main(job):
    # simulated files are in a publisher's schema and read by that publisher's reader
    source = job.spec.get("layout", job.spec["source"])
    reading = import_module(f"ptebench.data.sources.{source}").read(job.inputs, job.spec)
    reading.check()
    if first := reading.malformed.first:
        print(f"skipped: {first}")
    dataset = job.outputs["interactions"].parent.name
    interactions, dropped_counts = prepare(reading.interactions, job.spec, f"datasets.{dataset}.")
    impressions = reading.impressions
    if impressions is not None:  # an item that was shown is in the catalogue even if nobody clicked it
        impressions = select_impressions(distinct(interactions, "user_id"), impressions, job.spec)
    items, item_counts = collect_items(reading.items, interactions, impressions)
    write_parts(interactions, job.outputs["interactions"], INTERACTIONS)
    write_table(items, job.outputs["items"], ITEMS)
    notes = {**reading.counts, **dropped_counts, **item_counts}
    for name, value in notes.items():
        print(f"{name.replace('_', ' ')}: {value:,}")
    for doubt in doubts(reading.items, items, notes, job.spec):
        print(f"note: datasets.{dataset}.{doubt}")
    return {"notes": notes}


if __name__ == "__main__":
    run(main)
