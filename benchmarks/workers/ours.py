"""Worker of benchmarks/sasrec.py: this repository's SASRec, through the very `train` that a cell runs."""

from pathlib import Path

import torch
from ptebench.config import resolve
from ptebench.recommenders import training
from ptebench.recommenders.backbones import sasrec
from ptebench.recommenders.split import catalogue, read_events, read_sizes, read_train
from turns import Turns

turns = Turns()
s = turns.settings
folder = Path(s["split"])
sizes = read_sizes(folder / "vocabulary.parquet")
train_set = read_train(folder / "train.parquet")
valid = read_events(folder / "valid.parquet", folder / "valid_candidates.parquet", sizes[1])[0]
test = read_events(folder / "test.parquet", folder / "test_candidates.parquet", sizes[1])[0]


class Paced(sasrec.Backbone):
    """An epoch begins when it is this worker's turn; it ends after the step of its last batch."""

    def batches(self, *arguments):
        turns.wait()
        yield from super().batches(*arguments)
        turns.done(1.0)


sasrec.Backbone = Paced
backbone = {
    "kind": "sasrec", "loss": {"softmax": "cross_entropy", "bce": "bce"}[s["loss"]], "dimension": s["width"],
    "max_length": s["length"], "blocks": s["blocks"], "heads": s["heads"], "dropout": s["dropout"],
    "batch_size": s["batch"], "epochs": s["epochs"], "validate_every": s["epochs"], "device": "cpu",
}  # fmt: skip
settings = resolve({"backbones": {"sasrec": backbone}}, "ours.py")["backbones"]["sasrec"]
spec = {"backbone": settings, "representation": {"kind": "id"}, "seed": s["seed"]}
known = catalogue(train_set, sizes, s["width"], {})
turns.ready()
state, _, _ = training.train(spec, train_set, valid, known, True)
model, representation, _ = training.restore(spec, known, train_set, state)
model.eval()
with torch.inference_mode():
    queries = model.queries(test.histories, test.users, representation)
    turns.finish(queries, representation.item_vectors())
