"""Choose the trial with the best validation value; list them all."""

import json

import polars as pl

from ptebench.files import read_json, write_json, write_text
from ptebench.job import run
from ptebench.recommenders.tuning import choose


def main(job):
    trials = [read_json(path) for path in job.inputs["trials"]]
    best = choose(trials, job.outputs["best"].parent)
    write_json(best["settings"], job.outputs["best"])
    rows = [{**trial, "settings": json.dumps(trial["settings"]), "best": trial is best} for trial in trials]
    write_text(pl.DataFrame(rows, infer_schema_length=None).write_csv(), job.outputs["study"])
    return {"best": best["trial"], "failed": sum(trial["failure"] is not None for trial in trials)}


if __name__ == "__main__":
    run(main)
