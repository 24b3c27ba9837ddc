"""Learn vectors of items, and of users who have profiles, from texts and training pairs."""

from dataclasses import replace

from ptebench.embeddings.lower_layers import LowerLayers
from ptebench.embeddings.texts import read_all
from ptebench.files import VOCABULARY, read_table, write_embeddings
from ptebench.job import run
from ptebench.provenance import canonical
from ptebench.recommenders.alignment import cell_of, final_vectors, keeps_start
from ptebench.recommenders.cell import load
from ptebench.recommenders.model import restore
from ptebench.recommenders.training import train


def main(job) -> dict:
    spec = cell_of(job.spec)
    train_set, catalogue, valid, fingerprint = load(job, spec)
    if texts := job.spec.get("texts"):  # of an encoder that learns
        files = {name: job.input(f"texts.{name}") for name in texts}
        read = read_all(files, texts, read_table(job.input("vocabulary"), VOCABULARY))
        lower = LowerLayers(read, texts["item"]["encoder"], job.spec["align"]["encoder_layers"])
        catalogue = replace(catalogue, lower=lower)
    checkpoint = job.outputs["item"].with_name("checkpoint.safetensors")
    state, curve, notes = train(spec, train_set, valid, catalogue, spec["remove_seen"], checkpoint, fingerprint)
    _, model, _ = restore(spec, catalogue, train_set, state)
    made_of = {"made_of": canonical({"spec": job.spec, "fingerprint": fingerprint})}
    start = keeps_start(curve)
    vectors = final_vectors(model, start)
    for side, path in job.outputs.items():
        write_embeddings(vectors[side], path, made_of)
    checkpoint.unlink(missing_ok=True)
    return {**notes, "start": start, "width": vectors["item"].shape[1], "epochs": curve[-1]["epoch"], "curve": curve}


if __name__ == "__main__":
    run(main)
