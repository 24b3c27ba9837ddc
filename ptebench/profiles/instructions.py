"""Who teaches, who is watched, and the instructions of each half-round."""

import json
import zlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ptebench.files import ITEMS, PROFILES, TRAIN, VOCABULARY, InputError, ragged, read_table
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

    def cold(self) -> set[int]:
        """Return the ids of the items without training interactions."""
        return set(range(1, self.items + 1)) - set(self.warm().tolist())

    def ragged(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the training histories as values and offsets."""
        return ragged(pl.Series(list(self.train.values()), dtype=pl.List(pl.Int32)))

    def without(self, held: set[tuple[int, int]]) -> "Split":
        """Return the split without the held-out pairs (user, item), each occurrence of them."""
        users = {u for u, _ in held}
        train = self.train | {u: [i for i in self.train[u] if (u, i) not in held] for u in users}
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


def fields_by_id(profiles: pl.DataFrame) -> dict[int, dict]:
    """Return the fields of profiles by dense id; profiles that could not be parsed are left out."""
    profiles = profiles.drop_nulls("fields")
    return dict(zip(profiles["id"].to_list(), map(json.loads, profiles["fields"].to_list())))


def read_profiles(path) -> dict[int, dict]:
    """Read the fields of profiles by dense id."""
    return fields_by_id(read_table(path, PROFILES))


def shuffled(profiles: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the profiles with texts and fields moved among those that were parsed, none to its own place."""
    parsed = profiles.drop_nulls("fields")
    order = generator(seed, "shuffled").permutation(parsed.height)
    moved = parsed[np.roll(order, 1)].with_columns(id=parsed["id"][order])
    return pl.concat([moved, profiles.filter(pl.col("fields").is_null())]).sort("id")


def nearest(items: list[int], vectors: np.ndarray, among: list[int], count: int) -> dict[int, list[int]]:
    """Return for each item the `count` others of `among` whose card vectors are most similar, best first.

    An item without text, whose vector is zeros, has no neighbours and is none.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    others = np.array(sorted(i for i in among if length[i]), dtype=np.int64)
    if not len(others):
        return {i: [] for i in items}
    unit = vectors / np.maximum(length, 1e-12)
    found = {}
    for start in range(0, len(items), 1024):
        block = np.asarray(items[start : start + 1024], dtype=np.int64)
        scores = unit[block] @ unit[others].T
        scores[(block[:, None] == others[None]) | (length[block] == 0)] = -np.inf
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        for i, row, values in zip(block.tolist(), order, np.take_along_axis(scores, order, 1)):
            found[i] = others[row[values > -np.inf]].tolist()
    return found


def typical(split: Split, cards: np.ndarray, among: dict) -> int | None:
    """Return the training user of `among` whose mean of card vectors is nearest to that of all interactions."""
    users = [u for u in split.train if u in among and split.train[u]]
    if not users:
        return None
    means = np.stack([cards[split.train[u]].mean(0) for u in users])
    centre = np.bincount(split.ragged()[0], minlength=len(cards)) @ cards
    scores = means @ centre / np.maximum(np.linalg.norm(means, axis=1), 1e-12)
    return users[int(np.argmax(scores))]


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
