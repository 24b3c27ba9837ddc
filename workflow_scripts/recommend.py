"""Keep the best items of every test event of one cell, in order, as a list of K with scores."""

import polars as pl

from ptebench.files import LISTS, read_tensors, write_table
from ptebench.job import run
from ptebench.recommenders.cell import load_train
from ptebench.recommenders.model import restore
from ptebench.recommenders.split import read_events
from ptebench.recommenders.top import recommend
from ptebench.recommenders.tuning import settle


def main(job):
    spec = settle(job)
    k = spec["lists"]
    sizes, train_set, catalogue = load_train(job, spec)
    backbone, representation, device = restore(spec, catalogue, train_set, read_tensors(job.input("model"))[0])
    frames = []
    for events in read_events(job.input("test"), job.input("candidates"), sizes[1]):
        items, scores, pool = recommend(backbone, representation, events, spec["remove_seen"], k, device)
        columns = {"event": events.event, "user": events.users, "items": items, "scores": scores}
        frame = pl.DataFrame({name: column.numpy() for name, column in columns.items()})
        held = (pl.col("items").arr.to_list().list.eval(pl.element() > 0)).list.sum()
        frame = frame.with_columns(
            pl.col(name).arr.to_list().list.head(held) for name in ("items", "scores")
        )  # where there were fewer candidates, zeros stand at the end
        frames.append(frame.with_columns(ranking=pl.lit(events.ranking), pool=pl.lit(pool)))
    lists = pl.concat(frames).select(pl.col(name).cast(kind) for name, kind in LISTS.items())
    write_table(lists, job.outputs["lists"], LISTS)
    return {"spec": spec, **getattr(backbone, "notes", {})}


if __name__ == "__main__":
    run(main)
