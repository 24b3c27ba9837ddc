"""What DreamRec's samples add to its own head, and what is left of a ranking in a mean of vectors: validation figures.

python benchmarks/diffusion.py ../shared/data/processed/preferdiff-toys
"""

import argparse
import gzip
from pathlib import Path

import torch

from ptebench.config.read import resolve
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.model import build
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.training import train

EVALUATION = 1000  # validation users, taken from the training file: those of the split stay untouched


def ragged(rows):
    lengths = torch.tensor([0] + [len(row) for row in rows])
    return Ragged(torch.tensor([item for row in rows for item in row]), lengths.cumsum(0))


def read(folder: Path, users: int, least: int):
    """Return training data and validation events of `users` users, and the number of items with `least` events."""
    with gzip.open(folder / "train.txt.gz", "rt") as lines:
        rows = [[int(item) for item in line.split()] for line in lines]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    train_rows = [rows[k] for k in order[:users]]
    counts = torch.bincount(torch.tensor([item for row in train_rows for item in row]))
    number = {int(item): k for k, item in enumerate((counts >= least).nonzero()[:, 0], 1)}
    train_rows, other_rows = (
        [row for row in ([number[i] for i in row if i in number] for row in part) if len(row) > 1]
        for part in (train_rows, [rows[k] for k in order[users : users + EVALUATION]])
    )
    of_valid = torch.arange(len(other_rows)) + len(train_rows) + 1
    shown, targets = ragged([row[:-1] for row in other_rows]), ragged([row[-1:] for row in other_rows])
    train_set = Train(torch.arange(1, len(train_rows) + 1), ragged(train_rows))
    return train_set, Events("full", of_valid, of_valid, shown, targets, None), len(number)


def trained(train_set, valid, items: int, keys: dict, epochs: int):
    """Return backbone, representation and the notes of a training run that validates once, at its end."""
    settings = {
        "kind": "dreamrec", "max_length": 10, "dropout": 0.3, "learning_rate": 0.003, "schedule": "linear",
        "epochs": epochs, "validate_every": epochs, "device": "cpu", **keys,
    }  # fmt: skip
    backbone = resolve({"backbones": {"dreamrec": settings}}, "diffusion.py")["backbones"]["dreamrec"]
    owners, values = train_set.pairs
    sizes = len(train_set.users) + len(valid.users), items
    counts = (torch.bincount(ids, minlength=size + 1) for ids, size in ((values, items), (owners, sizes[0])))
    catalogue, spec = Catalogue(*sizes, backbone["dimension"], *counts), {"backbone": backbone, "seed": 0}
    spec["representation"] = {"kind": "id"}
    state, curve, notes = train(spec, train_set, valid, catalogue, True)
    backbone, representation = build(spec, catalogue)
    torch.nn.ModuleDict({"backbone": backbone, "representation": representation}).load_state_dict(state)
    return backbone.eval(), representation.eval(), curve[-1]["value"], notes


def value(backbone, representation, valid) -> float:
    return validation_value(rank(backbone, representation, valid, True)[0], valid.targets, "NDCG@10")


@torch.no_grad()
def means(backbone, representation, valid):
    """Yield, of trained and of random vectors, the value of ranking by the mean vector and the variance it explains.

    The mean is over the head's own distribution: what a regression gives that has nothing more to learn from it.
    """
    backbone.samples, chances = (
        0,
        backbone.queries(valid.histories, valid.users, representation)[:, backbone.train_items],
    )
    target = backbone.row[valid.targets.values]
    learned = backbone.rescale(representation.item_vectors())[backbone.train_items]
    for name, items in (("trained", learned), ("random", torch.randn_like(learned))):
        mean = chances @ items
        explained = 1 - (items[target] - mean).square().sum() / items[target].square().sum()
        ranks = Fixed(backbone, mean @ items.T)
        yield name, value(ranks, representation, valid), float(explained)


class Fixed:
    """A backbone whose scores (E, n) are given, for events of which each is of another user."""

    def __init__(self, backbone, scores):
        self.backbone, self.table = backbone, scores

    def eval(self):
        """Do nothing: nothing is trained."""

    def queries(self, histories, users, representation):
        """Return the users' rows: they are numbered behind those of training."""
        return users - self.first

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        every = self.table.new_zeros(len(queries), len(self.backbone.row))
        every[:, self.backbone.train_items] = self.table[queries]
        return every


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=8000)
    parser.add_argument("--least", type=int, default=8, help="events that an item has in training")
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train_set, valid, items = read(arguments.folder, arguments.users, arguments.least)
    print(f"{len(train_set.users)} users, {items} items, {len(valid.users)} validation events")
    Fixed.first = int(valid.users[0])
    backbone, representation, *_ = trained(
        train_set, valid, items, {"samples": 0, "reconstruction": 0}, arguments.epochs
    )
    print(f"head alone: {value(backbone, representation, valid):.4f}", flush=True)
    for name, ndcg, explained in means(backbone, representation, valid):
        print(f"mean of {name} vectors over its distribution: {ndcg:.4f}, variance explained {explained:.3f}")
    for signal in (4.0, 20.0):
        keys = {"first_signal": signal}
        backbone, representation, sampled, notes = trained(train_set, valid, items, keys, arguments.epochs)
        print(f"first_signal {signal}, 8 samples: {sampled:.4f}; one pass from zeros: {notes['one_pass']}", flush=True)
        for samples, eta, guidance in ((1, 1, 0), (16, 1, 0), (8, 0, 0), (8, 1, 2)):
            backbone.samples = samples
            backbone.settings = {**backbone.settings, "eta": eta, "guidance": guidance}
            ndcg = value(backbone, representation, valid)
            print(f"samples {samples}, eta {eta}, guidance {guidance}: {ndcg:.4f}", flush=True)


if __name__ == "__main__":
    main()
