"""One trial in one rung of successive halving."""

from dataclasses import replace

from ptebench.files import read_json, write_json
from ptebench.job import run
from ptebench.recommenders.cell import load
from ptebench.recommenders.rung import PLACE, train_trial


def main(job):
    cell, place = ({k: v for k, v in job.spec.items() if (k in PLACE) == inside} for inside in (False, True))
    before = [read_json(path) for path in job.inputs.get("before", [])]
    # neither the rung nor the records before it change what an epoch computes
    alone = replace(job, inputs={name: paths for name, paths in job.inputs.items() if name != "before"})
    folder = job.outputs["trial"].parents[2]
    record, spec = train_trial(cell, place, before, folder, lambda spec: load(alone, spec))
    write_json(record, job.outputs["trial"])
    return {"spec": spec}


if __name__ == "__main__":
    run(main)
