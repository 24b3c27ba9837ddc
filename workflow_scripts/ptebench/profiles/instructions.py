"""Who teaches, who is watched, and the instructions of each half-round."""

import json
import zlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ptebench.files import PROFILES, TRAIN, VOCABULARY, ITEMS, read_table, ragged
from ptebench.profiles.parse import layout
from ptebench.profiles.prompts import (
    Cards,
    cards_of,
    cold_item_prompt,
    digest,
    item_prompt,
    messages,
    user_prompt,
)

COLD = 0.15  # share of the item instructions in which a warm item stands in for a cold one


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the stream of random numbers of that name; streams of one seed are independent."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


@dataclass(frozen=True)
class Split:
    """What this stage may know of a split: cards, and histories by dense user id, oldest first."""

    cards: Cards
    train: dict[int, list[int]]
    vocabulary: pl.DataFrame

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.cards.title) - 1

    def warm(self) -> np.ndarray:
        """Return the ids of the items with training interactions, ascending."""
        return np.unique(np.concatenate([np.asarray(h, dtype=np.int64) for h in self.train.values()]))

    def ragged(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the training histories as values and offsets."""
        return ragged(pl.Series(list(self.train.values()), dtype=pl.List(pl.Int32)))

    def without(self, held: dict[int, int]) -> "Split":
        """Return the split with every occurrence of a user's held-out item taken from that user's history."""
        train = self.train | {u: [i for i in self.train[u] if i != item] for u, item in held.items()}
        return replace(self, train=train)

    def readers(self, limit: int, seed: int) -> dict[int, list[int]]:
        """Return up to `limit` training users of each warm item, drawn by seed."""
        values, offsets = self.ragged()
        users = np.repeat(np.fromiter(self.train, dtype=np.int64), np.diff(offsets))
        pairs = np.unique(np.stack([values, users], 1), axis=0)
        pairs = pairs[np.lexsort((generator(seed, "readers").random(len(pairs)), pairs[:, 0]))]
        items, starts = np.unique(pairs[:, 0], return_index=True)
        return {i: block[:limit, 1].tolist() for i, block in zip(items.tolist(), np.split(pairs, starts[1:]))}


def read_split(train, vocabulary, items) -> Split:
    """Read the files of a split."""
    words = read_table(vocabulary, VOCABULARY)
    rows = read_table(train, TRAIN)
    histories = dict(zip(rows["user"].to_list(), rows["history"].to_list()))
    return Split(cards_of(read_table(items, ITEMS), words), histories, words)


@dataclass(frozen=True)
class Draw:
    """Who is used for what, by dense id; the three groups of a side overlap only where there are too few."""

    probes: dict[str, list[int]]
    examples: dict[str, list[int]]
    policy: dict[str, list[int]]
    held: dict[int, int]  # probe user -> the last training item, absent from every prompt


def draw(split: Split, seed: int, probes: int, examples: int, prompts: int) -> Draw:
    """Draw probes, fine-tuning examples and policy prompts for both sides.

    Probes come first and teach nothing; examples follow; policy prompts are taken from the other end.
    Users need three interactions so that an item can be held out; probes are at most a quarter of a side.
    """
    users = np.array([u for u, h in split.train.items() if len(set(h)) >= 3], dtype=np.int64)
    sides = {"user": np.sort(users), "item": split.warm()}
    groups = {"probes": {}, "examples": {}, "policy": {}}
    for side, ids in sides.items():
        order = generator(seed, f"draw {side}").permutation(ids)
        count = min(probes, len(order) // 4)
        rest = order[count:]
        groups["probes"][side] = np.sort(order[:count]).tolist()
        groups["examples"][side] = rest[:examples].tolist()
        groups["policy"][side] = rest[::-1][:prompts].tolist()
    held = {u: split.train[u][-1] for u in groups["probes"]["user"]}
    return Draw(**groups, held=held)


def read_profiles(path) -> dict[int, dict]:
    """Read the fields of profiles by dense id; profiles that could not be parsed are left out."""
    frame = read_table(path, PROFILES).drop_nulls("fields")
    return {i: json.loads(f) for i, f in zip(frame["id"].to_list(), frame["fields"].to_list())}


def nearest(items: list[int], vectors: np.ndarray, among: list[int], count: int) -> dict[int, list[int]]:
    """Return for each item the `count` others of `among` whose card vectors are most similar, best first."""
    others = np.array(sorted(among), dtype=np.int64)
    if not len(others):
        return {i: [] for i in items}
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found = {}
    for start in range(0, len(items), 1024):
        block = np.asarray(items[start : start + 1024], dtype=np.int64)
        scores = unit[block] @ unit[others].T
        scores[block[:, None] == others[None]] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        for i, row, values in zip(block.tolist(), order, np.take_along_axis(scores, order, 1)):
            found[i] = others[row[values > -np.inf]].tolist()
    return found


def user_prompts(ids, histories: dict, cards: Cards, audiences: dict, spec: dict) -> list[str]:
    """Return the prompts of users; `audiences` are item profiles by id (none: the plain prompt)."""
    return [user_prompt(histories[u], cards, audiences, spec["history"], spec["neighbours"]) for u in ids]


def item_prompts(ids, split: Split, profiles: dict, audiences: dict, cold: set, vectors, spec: dict) -> list[str]:
    """Return the prompts of items.

    Warm items show the profiles of their readers (`profiles`, users by id); items in `cold` or without
    readers show the content-nearest warm items that have one of `audiences` (item profiles by id).
    """
    readers = split.readers(spec["neighbours"], spec["seed"])
    strangers = [i for i in ids if i in cold or i not in readers]
    similar = nearest(strangers, vectors, [i for i in readers if i in audiences], spec["neighbours"])
    prompts = []
    for i in ids:
        if i in similar:
            prompts.append(cold_item_prompt(i, split.cards, [(j, audiences[j]) for j in similar[i]]))
        else:
            prompts.append(item_prompt(i, split.cards, [profiles[u] for u in readers[i] if u in profiles]))
    return prompts


def cold_examples(ids, seed: int) -> set:
    """Return the items of `ids` that stand in for cold ones."""
    chosen = generator(seed, "cold").random(len(ids)) < COLD
    return {i for i, c in zip(ids, chosen) if c}


def instruction(identity: int, prompt: str, fields: dict, side: str) -> dict:
    """Return one line of an instructions file."""
    return {
        "id": identity,
        "prompt": messages(prompt),
        "completion": [{"role": "assistant", "content": layout(fields, side)}],
        "prompt_sha256": digest(prompt),
    }
