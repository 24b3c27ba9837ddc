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
    pairs: set[tuple[int, int]]  # (probe user, last training item): absent from every prompt before writing


def draw(split: Split, seed: int, probes: int) -> Draw:
    """Draw the probes of both sides, at most a quarter of each, and the order of all others.

    Probes are stratified by degree: of owners in order of how often they chose, or were chosen, one of each stretch.
    Users need three different items so that one can be held out. Raises InputError where there are too few.
    """
    degrees = {"user": {u: len(h) for u, h in split.train.items()}}
    degrees["item"] = dict(enumerate(np.bincount(split.ragged()[0]).tolist()))
    users = [u for u, h in split.train.items() if len(set(h)) >= 3]
    watched, pool = {}, {}
    for side, ids in {"user": np.sort(np.array(users, dtype=np.int64)), "item": split.warm()}.items():
        if len(ids) < 8:
            raise InputError(
                f"train.parquet: {len(ids)} {side}s to learn from (users need three different items), expected at "
                "least 8; relax the dataset's filters"
            )
        random = generator(seed, f"draw {side}")
        order = random.permutation(ids).tolist()
        stretches = np.array_split(sorted(order, key=degrees[side].__getitem__), min(probes, len(order) // 4))
        watched[side] = sorted(int(random.choice(stretch)) for stretch in stretches)
        probes_of_side = set(watched[side])
        pool[side] = [i for i in order if i not in probes_of_side]
    return Draw(watched, pool, {(u, split.train[u][-1]) for u in watched["user"]})


def cold_examples(ids, seed: int) -> set:
    """Return the items of `ids` that stand in for cold ones."""
    is_cold = generator(seed, "cold").random(len(ids)) < COLD
    return {i for i, c in zip(ids, is_cold) if c}
