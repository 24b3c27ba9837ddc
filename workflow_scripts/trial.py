"""One trial of a tuning study: train with one point of the space, keep the validation value, never the model."""

from ptebench.files import write_json
from ptebench.job import run
from ptebench.recommenders.cell import load
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.model import restore
from ptebench.recommenders.training import train
from ptebench.recommenders.tuning import FAILURES, lay, point, reason

COUNTER_SELECTION = "NDCG@10"


def main(job):
    trial = job.spec["trial"]
    settings = point(job.spec["space"], trial, job.spec["seed"])
    spec = lay({k: v for k, v in job.spec.items() if k not in ("space", "trial")}, settings)
    train_set, catalogue, valid, fingerprint = load(job, spec)
    checkpoint = job.outputs["trial"].with_name("checkpoint.safetensors")
    value, epochs, failure = None, 0, None
    try:
        state, curve, _ = train(spec, train_set, valid, catalogue, spec["remove_seen"], checkpoint, fingerprint)
        epochs = len(curve)
        if epochs:
            value = max(c["value"] for c in curve if c["value"] is not None)
        else:
            counter, _, _ = restore(spec, catalogue, train_set, state)
            ranks, _ = rank(counter, None, valid, spec["remove_seen"])
            value = validation_value(ranks, valid.targets, COUNTER_SELECTION)
    except FAILURES as error:
        value, failure = None, reason(error)
        print(f"trial {trial} failed: {failure}", flush=True)
    checkpoint.unlink(missing_ok=True)
    record = {"trial": trial, "value": value, "epochs": epochs, "failure": failure, "settings": settings}
    write_json(record, job.outputs["trial"])
    return {"spec": spec}


if __name__ == "__main__":
    run(main)
