"""A split of a simulated shop, and vectors of its items that know what was planted, or what users did."""

import numpy as np
import torch

from ptebench.data.simulate import world
from ptebench.information.suite import Material
from ptebench.information.task import Events


def events(histories, left):
    """Return the events whose target is the item before the last `left - 1` ones of each history."""
    before = [history[: len(history) - left] for history in histories]
    offsets = np.concatenate([[0], np.cumsum([len(h) for h in before])])
    targets = np.array([history[len(history) - left] for history in histories])
    return Events(np.arange(len(histories)), np.concatenate(before), offsets, targets)


def ids(histories, size, width=32):
    """Return vectors (size, width) of items by who chose them together: a factorisation of their pointwise information."""
    chosen = np.zeros((len(histories), size))
    for user, history in enumerate(histories):
        chosen[user, history[:-2]] = 1
    both = chosen.T @ chosen
    np.fill_diagonal(both, 0)
    expected = np.maximum(both.sum(0)[:, None] * both.sum(1), 1)
    information = np.log(np.maximum(both * both.sum() / expected, 1))
    left, values, _ = np.linalg.svd(information)
    vectors = torch.from_numpy(left[:, :width] * values[:width] ** 0.5).float()
    vectors[0] = 0
    return vectors


def shown(planted):
    """Return vectors of items that say all that a text shows: topic, sub-topic, name, style."""
    parts = planted.topic, planted.topic * 10 + planted.subtopic, planted.name, planted.style
    wide = torch.cat([torch.nn.functional.one_hot(torch.from_numpy(part)).float() for part in parts], 1)
    return torch.cat([torch.zeros(1, int(wide.any(0).sum())), wide[:, wide.any(0)]])


def shop(behaviour_only, users=2000, items=600, mean_length=15, seed=0):
    """Return the material of ids and texts; no item leads to another, so that texts can be all there is."""
    settings = {
        "layout": "amazon", "users": users, "items": items, "mean_length": mean_length, "seed": seed, "sequential": 0.0,
        "behaviour_only": behaviour_only, "new_items": 0.0,
    }  # fmt: skip
    planted = world(settings)
    histories = [planted.item[planted.user == user] + 1 for user in range(users)]
    trained = [history[:-2] for history in histories]
    partners = np.concatenate([np.stack([h[:-1], h[1:]]) for h in trained], 1)
    return Material(
        {"ids": ids(histories, items + 1), "text": shown(planted)},
        np.bincount(np.concatenate(trained), minlength=items + 1),
        torch.from_numpy(partners),
        events(histories, 2),
        events(histories, 1),
    )
