"""Who teaches and who is watched."""

from dataclasses import dataclass

import numpy as np

from ptebench.files import InputError
from ptebench.profiles.evidence.split import Split
from ptebench.randomness import generator

COLD = 0.15  # share of the item instructions in which a warm item stands in for a cold one


@dataclass(frozen=True)
class Draw:
    """Who is watched and who may teach, by side."""

    probes: dict[str, list[int]]
    pool: dict[str, list[int]]  # in random order: fine-tuning takes from the front, GRPO from the back
    held: set[tuple[int, int]]  # (probe user, last training item): absent from every prompt before writing


def draw(split: Split, seed: int, probes: int) -> Draw:
    """Draw the probes of both sides, at most a quarter of each, and the order of all others.

    Users need three different items so that one can be held out. Raises InputError where there are too few.
    """
    users = [u for u, h in split.train.items() if len(set(h)) >= 3]
    watched, pool = {}, {}
    for side, ids in {"user": np.sort(np.array(users, dtype=np.int64)), "item": split.warm()}.items():
        if len(ids) < 8:
            raise InputError(
                f"train.parquet: {len(ids)} {side}s to learn from (users need three different items), expected at "
                "least 8; relax the dataset's filters"
            )
        order = generator(seed, f"draw {side}").permutation(ids).tolist()
        count = min(probes, len(order) // 4)
        watched[side], pool[side] = sorted(order[:count]), order[count:]
    return Draw(watched, pool, {(u, split.train[u][-1]) for u in watched["user"]})


def cold_examples(ids, seed: int) -> set:
    """Return the items of `ids` that stand in for cold ones."""
    is_cold = generator(seed, "cold").random(len(ids)) < COLD
    return {i for i, c in zip(ids, is_cold) if c}
