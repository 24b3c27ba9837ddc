"""Learn vectors of items, and of users who have profiles, from texts and training pairs."""

import torch

from ptebench.files import write_embeddings
from ptebench.job import run
from ptebench.provenance import canonical
from ptebench.recommenders.alignment import cell_of
from ptebench.recommenders.cell import load
from ptebench.recommenders.model import restore
from ptebench.recommenders.training import train


def main(job) -> dict:
    spec = cell_of(job.spec)
    train_set, catalogue, valid, fingerprint = load(job, spec)
    checkpoint = job.outputs["item"].with_name("checkpoint.safetensors")
    state, curve, notes = train(spec, train_set, valid, catalogue, spec["remove_seen"], checkpoint, fingerprint)
    _, model, _ = restore(spec, catalogue, train_set, state)
    made_of = {"made_of": canonical({"spec": job.spec, "fingerprint": fingerprint})}
    with torch.no_grad():
        vectors = {"item": model.eval().item_vectors(), "user": model.user_vectors()}
    for side, path in job.outputs.items():
        write_embeddings(vectors[side], path, made_of)
    checkpoint.unlink(missing_ok=True)
    return {**notes, "width": vectors["item"].shape[1], "epochs": curve[-1]["epoch"], "curve": curve}


if __name__ == "__main__":
    run(main)
