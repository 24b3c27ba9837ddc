"""What the jobs of a cell read: the training data, the text vectors, the validation events; what others read of it."""

from dataclasses import replace

import torch

from ptebench.files import InputError, read_tensors
from ptebench.recommenders.model import restore
from ptebench.recommenders.split import catalogue, read_events, read_sizes, read_train
from ptebench.recommenders.tuning import settle

TEXT = ("item", "card", "user")


def load_train(job, spec: dict):
    """Return the sizes (users, items), the training data and the catalogue."""
    sizes = read_sizes(job.input("vocabulary"))
    train_set = read_train(job.input("train"))
    text = {name: job.input(name) for name in TEXT if job.input(name)}
    reader = spec["backbone"] if "text" in spec["backbone"] else spec["representation"]
    items_and_users = catalogue(train_set, sizes, spec["backbone"], text, reader.get("control"))
    lists = job.input("lists") and (job.input("lists"), job.input("vocabulary"))
    return sizes, train_set, replace(items_and_users, lists=lists)


def load(job, spec: dict):
    """Return the training data, the catalogue, the validation events and what a checkpoint must have been made from."""
    sizes, train_set, items_and_users = load_train(job, spec)
    valid = read_events(job.input("valid"), job.input("candidates"), sizes[1])[0]
    return train_set, items_and_users, valid, job.fingerprint(spec)


def item_vectors(job) -> torch.Tensor:
    """Return the item vectors (n_items + 1, d) of a trained cell, zeros where they mean nothing, such as unseen ids.

    Raises InputError for a backbone that has none.
    """
    spec, path = settle(job), job.input("model")
    spec = {**spec, "backbone": {**spec["backbone"], "device": "cpu"}}
    _, train_set, items_and_users = load_train(job, spec)
    _, representation, _ = restore(spec, items_and_users, train_set, read_tensors(path)[0])
    representation.eval()
    with torch.no_grad():
        vectors = representation.item_vectors() * representation.rankable[:, None]
    if not vectors.shape[1]:
        raise InputError(f"{path}: the backbone spells items, and has no item vectors; name another")
    return vectors
