"""A small split whose people like one of four topics, with cards that say so."""

import numpy as np
import polars as pl
import torch

from ptebench.files import EVENTS, ITEMS, TRAIN, VOCABULARY, write_embeddings, write_table

TOPICS = {
    "Camping": ["tent", "lantern", "trail", "stove"],
    "Chess": ["board", "clock", "opening", "endgame"],
    "Baking": ["oven", "dough", "whisk", "flour"],
    "Sailing": ["hull", "anchor", "rope", "tide"],
}


def write_split(folder, users: int = 48, items: int = 24, cold_users: int = 4, cold_items: int = 3):
    """Write the files of a split and return their paths; the last users and items have no training rows."""
    random, topics = np.random.default_rng(7), list(TOPICS)
    topic = np.arange(items) % len(topics)
    rows = []
    for i in range(items):
        name = topics[topic[i]]
        words = random.permutation(TOPICS[name])
        title, description = f"{words[0].title()} and {words[1]}", f"For {words[2]} and {words[3]} lovers."
        card = f"Title: {title}. Description: {description}"
        rows.append((f"i{i:03d}", title, ["Hobbies", name], "Acme" if i % 3 else None, description, card))
    frame = pl.DataFrame(rows, schema=ITEMS, orient="row")
    write_table(frame, folder / "items.parquet", ITEMS)
    words = [("user", u + 1, f"u{u:03d}") for u in range(users)] + [("item", i + 1, f"i{i:03d}") for i in range(items)]
    write_table(pl.DataFrame(words, schema=VOCABULARY, orient="row"), folder / "vocabulary.parquet", VOCABULARY)
    warm = np.arange(items - cold_items)
    histories = []
    for u in range(users):
        own = warm[topic[warm] == u % len(topics)]
        mixed = np.concatenate([random.permutation(own)[:4], random.permutation(warm)[:2]])
        histories.append((u + 1, list(dict.fromkeys((1 + random.permutation(mixed)).tolist()))))
    histories[-1] = (users, [])  # nothing is known of the last
    write_table(pl.DataFrame(histories, schema=TRAIN, orient="row"), folder / "histories.parquet", TRAIN)
    train = pl.DataFrame(histories[: users - cold_users], schema=TRAIN, orient="row")
    write_table(train, folder / "train.parquet", TRAIN)
    # of each training user the next item of the own topic, and of some the next cold one
    asked = [(u, h, next(iter(sorted(set((1 + np.flatnonzero(topic == (u - 1) % len(topics))).tolist()) - set(h)))))
             for u, h in histories[: users - cold_users]]  # fmt: skip
    valid = pl.DataFrame([(n, "full", u, h, [i]) for n, (u, h, i) in enumerate(asked)], schema=EVENTS, orient="row")
    write_table(valid, folder / "valid.parquet", EVENTS)
    vectors = torch.randn(items + 1, 384, generator=torch.Generator().manual_seed(0))
    vectors[1:, :4] += 20 * torch.eye(4)[topic]
    vectors[0] = 0
    write_embeddings(vectors, folder / "cards.safetensors", {})
    names = ("train", "histories", "valid", "vocabulary", "items")
    return {name: folder / f"{name}.parquet" for name in names} | {"cards": folder / "cards.safetensors"}
