"""Rank every test event of one cell and keep the exact mid-rank of each target."""

import numpy as np
import polars as pl

from ptebench.files import RANKS, read_tensors, write_table
from ptebench.job import run
from ptebench.recommenders.cell import load_train
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.model import restore
from ptebench.recommenders.split import read_events
from ptebench.recommenders.tuning import settle


def main(job):
    spec = settle(job)
    sizes, train_set, catalogue = load_train(job, spec)
    backbone, representation, device = restore(spec, catalogue, train_set, read_tensors(job.input("model"))[0])
    frames = []
    for events in read_events(job.input("test"), job.input("candidates"), sizes[1]):
        ranks, candidates = rank(backbone, representation, events, spec["remove_seen"], device)
        count = events.targets.lengths.numpy()
        frames.append(
            pl.DataFrame({
                "event": np.repeat(events.event.numpy(), count).astype(np.int32),
                "ranking": [events.ranking] * len(ranks),
                "user": np.repeat(events.users.numpy(), count).astype(np.int32),
                "target": events.targets.values.numpy().astype(np.int32),
                "rank": ranks.double().numpy(),
                "targets": np.repeat(count, count).astype(np.int32),
                "candidates": np.repeat(candidates.numpy(), count).astype(np.int32),
            })
        )  # fmt: skip
    write_table(pl.concat(frames), job.outputs["ranks"], RANKS)
    return {"spec": spec, **getattr(backbone, "notes", {})}


if __name__ == "__main__":
    run(main)
