"""Worker of this repository: a backbone with free item vectors, through the very `train` that a cell runs."""

import importlib
from pathlib import Path

import torch
from turns import Turns

from ptebench.config.read import resolve
from ptebench.recommenders import training
from ptebench.recommenders.model import restore
from ptebench.recommenders.split import catalogue, read_events, read_sizes, read_train

turns = Turns()
s = turns.settings
folder = Path(s["split"])
sizes = read_sizes(folder / "vocabulary.parquet")
train_set = read_train(folder / "train.parquet")
valid = read_events(folder / "valid.parquet", folder / "valid_candidates.parquet", sizes[1])[0]
test = read_events(folder / "test.parquet", folder / "test_candidates.parquet", sizes[1])[0]
kind = s["backbone"]["kind"]
module = importlib.import_module(f"ptebench.recommenders.backbones.{kind}")


class Paced(module.Backbone):
    """An epoch begins when it is this worker's turn; it ends after the step of its last batch."""

    def batches(self, *arguments):
        turns.wait()
        yield from super().batches(*arguments)
        turns.done(1.0)


module.Backbone = Paced
backbone = {
    **s["backbone"], "dimension": s["width"], "batch_size": s["batch"], "epochs": s["epochs"],
    "validate_every": s["epochs"], "device": s["device"],
}  # fmt: skip
settings = resolve({"backbones": {kind: backbone}}, "ours.py")["backbones"][kind]
spec = {"backbone": settings, "representation": {"kind": "id"}, "seed": s["seed"]}
known = catalogue(train_set, sizes, settings, {})
on_pairs = not hasattr(module.Backbone, "encode")
turns.ready(len(train_set.pairs[0]) if on_pairs else int((train_set.histories.lengths > 1).sum()))
state, _, _ = training.train(spec, train_set, valid, known, True)
model, representation, _ = restore(spec, known, train_set, state)
model.eval()
with torch.inference_mode():
    if on_pairs:
        model.prepare(representation)
    queries = model.queries(test.histories.to(s["device"]), test.users.to(s["device"]), representation)
    turns.finish(queries, model.cache[1] if on_pairs else representation.item_vectors())
