"""Train one cell: the model at its best validation value, and the training curve."""

import polars as pl

from ptebench.files import write_tensors, write_text
from ptebench.job import run
from ptebench.recommenders.cell import load
from ptebench.recommenders.training import train
from ptebench.recommenders.tuning import settle

CURVE = {"epoch": pl.Int64, "loss": pl.Float64, "value": pl.Float64, "seconds": pl.Float64}


def main(job):
    spec, model = settle(job), job.outputs["model"]
    train_set, catalogue, valid, fingerprint = load(job, spec)
    checkpoint = model.with_name("checkpoint.safetensors")
    state, curve, notes = train(spec, train_set, valid, catalogue, spec["remove_seen"], checkpoint, fingerprint)
    write_tensors(state, model)
    write_text(pl.DataFrame(curve, schema=CURVE).write_csv(), job.outputs["curve"])
    checkpoint.unlink(missing_ok=True)
    return {**notes, "width": catalogue.width, "spec": spec}


if __name__ == "__main__":
    run(main)
