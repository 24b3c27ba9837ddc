"""One trial in one rung of successive halving: train on where the rung before stopped, keep the validation value.

The trial's checkpoint waits beside the rungs. It only saves time: without it training starts again, to the same value,
which is also what the trial would have had without halving.
"""

from dataclasses import replace

from ptebench.files import read_json, write_json
from ptebench.job import run
from ptebench.recommenders.cell import load
from ptebench.recommenders.halving import epochs, places, promoted
from ptebench.recommenders.training import train
from ptebench.recommenders.tuning import FAILURES, laid, point, reason

PLACE = ("space", "halving", "bracket", "rung", "place")


def main(job):
    space, halving, bracket, rung, place = (job.spec[key] for key in PLACE)

    def checkpoint(trial):
        return job.outputs["trial"].parents[2] / f"trial={trial}.checkpoint.safetensors"

    trial, failure = bracket * places(halving, 0) + place, None
    if rung:
        before = [read_json(path) for path in job.inputs["before"]]
        going = promoted(before, places(halving, rung))
        for record in before:
            if record not in going:
                checkpoint(record["trial"]).unlink(missing_ok=True)
        trial, failure = going[place]["trial"], going[place]["failure"]
    settings = point(space, trial, job.spec["seed"])
    spec = laid({key: value for key, value in job.spec.items() if key not in PLACE}, settings)
    last = epochs(spec["backbone"], halving, rung)
    reached = []
    if failure is None:  # else it has failed before, and so have all that could take its place
        # neither the rung nor the records before it change what an epoch computes
        inputs = {name: paths for name, paths in job.inputs.items() if name != "before"}
        train_set, known, valid, fingerprint = load(replace(job, inputs=inputs), spec)
        try:
            arguments = (train_set, valid, known, spec["remove_seen"], checkpoint(trial), fingerprint, last)
            _, curve, _ = train(spec, *arguments)
            # a checkpoint may be of a later rung, where this one is run again
            reached = [c for c in curve if c["epoch"] <= last]
        except FAILURES as error:
            failure = reason(error)
            print(f"trial {trial} failed: {failure}", flush=True)
    if failure is not None or rung == halving["rungs"] - 1:
        checkpoint(trial).unlink(missing_ok=True)
    value = max((c["value"] for c in reached if c["value"] is not None), default=None)
    record = {"trial": trial, "rung": rung, "value": value, "epochs": len(reached), "failure": failure}
    write_json({**record, "settings": settings}, job.outputs["trial"])
    return {"spec": spec}


if __name__ == "__main__":
    run(main)
