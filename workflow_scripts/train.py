"""Train one cell: the model at its best validation value, and the training curve."""

import polars as pl
from ptebench.files import write_tensors, write_text
from ptebench.job import run
from ptebench.provenance import canonical, file_digest
from ptebench.recommenders.split import catalogue, read_events, read_sizes, read_train
from ptebench.recommenders.training import text_of, train

CURVE = {"epoch": pl.Int64, "loss": pl.Float64, "value": pl.Float64, "seconds": pl.Float64}


def main(job):
    sizes = read_sizes(job.input("vocabulary"))
    train_set = read_train(job.input("train"))
    known = catalogue(train_set, sizes, job.spec["backbone"].get("dimension", 0), text_of(job))
    valid = read_events(job.input("valid"), job.input("candidates"), sizes[1])[0]
    model = job.outputs["model"]
    inputs = sorted(file_digest(p) for paths in job.inputs.values() for p in paths)
    fingerprint = canonical([job.spec, job.code, inputs])
    checkpoint = model.with_name("checkpoint.safetensors")
    state, curve, notes = train(job.spec, train_set, valid, known, job.spec["remove_seen"], checkpoint, fingerprint)
    write_tensors(state, model)
    write_text(pl.DataFrame(curve, schema=CURVE).write_csv(), job.outputs["curve"])
    checkpoint.unlink(missing_ok=True)
    return notes


if __name__ == "__main__":
    run(main)
