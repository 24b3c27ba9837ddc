"""A generator of two snapshots with given counts and known truth, in place of data that cannot be shared.

The factors are those of simulate.py. Users choose a cell (topic, sub-topic, value of the behaviour-only factor), then
an item of the cell by popularity, so that no array is as large as users x items. There are no times and no transitions:
a snapshot is a matrix.
"""

import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from scipy import sparse

from ptebench.data.simulate import HIDDEN, SHARPNESS, standard, write_file
from ptebench.data.vocabulary import ABOUT_STYLE, ABOUT_TOPIC, NAMES, STYLES, TOPICS
from ptebench.files import atomic

TITLE_POPULARITY = 0.4  # s.d. of the log popularity that an item's name, and so its text, shows ...
OWN_POPULARITY = 1.0  # ... and of what nothing shows
ACTIVITY = 1.0  # s.d. of the log activity of users
SENTENCES = 2  # of an item's abstract
ROUNDS = 50  # of drawing again what a user has already; what is left then is drawn without preference


@dataclass(frozen=True)
class Snapshots:
    """The simulated truth and the users' choices; arrays over items (I), users (U), cells (C)."""

    topic: np.ndarray  # (I,) visible factor
    subtopic: np.ndarray  # (I,) within the topic
    hidden: np.ndarray  # (I,) behaviour-only factor
    style: np.ndarray  # (I,) text-only factor
    name: np.ndarray  # (I,) part of the popularity, visible
    offered: np.ndarray  # (I, 2) on the training day, on the test day
    utility: np.ndarray  # (U, C) what users prefer, variance 1 over cells; cell = (topic, subtopic, hidden)
    train: tuple[np.ndarray, np.ndarray]  # users and items of the training day's interactions
    test: tuple[np.ndarray, np.ndarray]


def snapshots(settings: dict) -> Snapshots:
    """Return two days with exactly the counts of `settings`.

    Every user has an interaction on the training day, every item of a day has one on that day, and no pair of user and
    item occurs twice.
    """
    users, counts = settings["users"], settings["snapshots"]
    structure, preference, chance = (np.random.default_rng([settings["seed"], 10 + s]) for s in range(3))
    both, topics = counts["overlap_items"], list(TOPICS.values())
    items = counts["train_items"] + counts["test_items"] - both
    topic, subtopic, hidden, style, name = (
        structure.permutation(np.arange(items) % n)
        for n in (len(topics), len(topics[0]), HIDDEN, len(STYLES), len(NAMES))
    )
    place = structure.permutation(items)
    offered = np.stack([place < counts["train_items"], place >= counts["train_items"] - both], axis=1)
    popularity = np.exp(
        TITLE_POPULARITY * structure.standard_normal(len(NAMES))[name]
        + OWN_POPULARITY * structure.standard_normal(items)
    )

    shape = (len(topics), len(topics[0]), HIDDEN)
    t, s, h = (axis.ravel() for axis in np.indices(shape))
    taste = preference.standard_normal((users, shape[0]), np.float32)[:, t]
    taste += 0.6 * preference.standard_normal((users, *shape[:2]), np.float32)[:, t, s]
    behaviour = preference.standard_normal((users, HIDDEN), np.float32)[:, h]
    share = settings["behaviour_only"]
    utility = standard(np.sqrt(1 - share) * standard(taste) + np.sqrt(share) * standard(behaviour)).astype(np.float32)
    draw = _Draw(utility, np.ravel_multi_index((topic, subtopic, hidden), shape), popularity, preference)
    train = draw.day(chance, np.flatnonzero(offered[:, 0]), counts["train_interactions"], True, None)
    test = draw.day(chance, np.flatnonzero(offered[:, 1]), counts["test_interactions"], False, train)
    return Snapshots(topic, subtopic, hidden, style, name, offered, utility, train, test)


class _Draw:
    """Users choose cells by exp(SHARPNESS * utility), items of a cell by popularity; the active choose more often."""

    def __init__(self, utility, cell, popularity, rng):
        self.choice = np.exp(SHARPNESS * utility)
        self.choice /= self.choice.sum(1, keepdims=True)
        self.bounds = self.choice.cumsum(1)
        self.cell, self.popularity = cell, popularity
        self.activity = np.exp(ACTIVITY * rng.standard_normal(len(utility)))

    def day(self, rng, items, number, everyone, before):
        """Return users and items (number,) of one day; no pair is one of `before`."""
        users, size = len(self.choice), len(self.cell)
        certain = np.arange(users if everyone else 0)
        free = number - len(items) - len(certain)
        # first each item finds a user and, where asked for, each user an item; what is left is drawn freely
        user = np.concatenate([self._users(rng, items), certain, _weighted(rng, self.activity, free)])
        item = np.concatenate([items, self._items(rng, items, user[len(items) :])])
        earlier_pairs = np.sort(before[0] * size + before[1]) if before else np.empty(0, dtype=np.int64)
        for attempt in count():
            pair = user * size + item
            again = np.ones(number, dtype=bool)
            again[np.unique(pair, return_index=True)[1]] = False
            again |= np.isin(pair, earlier_pairs)
            if not again.any():
                return user, item
            finders, takers = np.flatnonzero(again[: len(items)]), len(items) + np.flatnonzero(again[len(items) :])
            anyone = takers[takers >= len(items) + len(certain)]
            if attempt < ROUNDS:
                user[finders] = self._users(rng, item[finders])
                user[anyone] = _weighted(rng, self.activity, len(anyone))
                item[takers] = self._items(rng, items, user[takers])
            else:
                user[finders], user[anyone] = rng.integers(0, users, len(finders)), rng.integers(0, users, len(anyone))
                item[takers] = rng.choice(items, len(takers))

    def _users(self, rng, items):
        """Return for each item a user who likes its cell."""
        result, cell = np.empty(len(items), dtype=np.int64), self.cell[items]
        for c in np.unique(cell):
            here = np.flatnonzero(cell == c)
            result[here] = _weighted(rng, self.activity * self.choice[:, c], len(here))
        return result

    def _items(self, rng, items, users):
        """Return for each user an item of a cell that the user likes."""
        by_cell = items[np.argsort(self.cell[items], kind="stable")]
        reach = np.append(0.0, self.popularity[by_cell].cumsum())
        first = np.searchsorted(self.cell[by_cell], np.arange(self.choice.shape[1] + 1))
        result = np.empty(len(users), dtype=np.int64)
        for part in np.array_split(np.arange(len(users)), -(-len(users) // 100_000) or 1):
            cell = (self.bounds[users[part]] < rng.random((len(part), 1))).sum(1).clip(max=self.choice.shape[1] - 1)
            low, high = reach[first[cell]], reach[first[cell + 1]]
            at = np.searchsorted(reach, low + rng.random(len(part)) * (high - low), side="right") - 1
            result[part] = by_cell[at.clip(first[cell], first[cell + 1] - 1)]
        return result


def _weighted(rng, weight, number):
    reach = weight.cumsum(dtype=np.float64)
    return np.searchsorted(reach, rng.random(number) * reach[-1], side="right").clip(max=len(weight) - 1)


def texts(settings: dict, truth: Snapshots) -> dict[str, list[str]]:
    """Return title, topic, subtopic and abstract of every item; titles are distinct."""
    rng, items = np.random.default_rng([settings["seed"], 13]), len(truth.topic)
    topics, styles = list(TOPICS.items()), list(STYLES.values())
    # two different words of five, two different ones of four, and a sentence for them; the last row is the title's
    word, plain = rng.integers(0, 20, (SENTENCES + 1, items)), rng.integers(0, 12, (SENTENCES + 1, items))
    frame = rng.integers(0, len(ABOUT_TOPIC) * len(ABOUT_STYLE), (SENTENCES, items))
    about_style = rng.random((SENTENCES + 1, items)) < settings["text_only"] * np.array([[1]] * SENTENCES + [[2]])
    result: dict[str, list[str]] = {"title": [], "topic": [], "subtopic": [], "abstract": []}
    counts: dict[str, int] = {}
    for i in range(items):
        topic, subtopics = topics[truth.topic[i]]
        subtopic, words = list(subtopics.items())[truth.subtopic[i]]
        style = styles[truth.style[i]]
        sentences = []
        for n in range(SENTENCES):
            if about_style[n, i]:
                x, y = _two(style, plain[n, i])
                sentences.append(ABOUT_STYLE[frame[n, i] % len(ABOUT_STYLE)].format(x=x, y=y))
            else:
                x, y = _two(words, word[n, i])
                about = ABOUT_TOPIC[frame[n, i] % len(ABOUT_TOPIC)]
                sentences.append(about.format(x=x, y=y, sub=subtopic.lower(), topic=topic.lower()))
        x, y = _two(words, word[-1, i])
        z = f"{style[plain[-1, i] % 4]} " if about_style[-1, i] else ""
        title = f"{NAMES[truth.name[i]]} {z}{x} and {y} set"
        counts[title] = number = counts.get(title, 0) + 1
        values = (title if number == 1 else f"{title} {number}", topic, subtopic, " ".join(sentences))
        for column, value in zip(result.values(), values):
            column.append(value)
    return result


def _two(words: list[str], number: int) -> tuple[str, str]:
    """Return two different words, chosen by a number below len * (len - 1)."""
    first, step = divmod(int(number), len(words) - 1)
    return words[first], words[(first + 1 + step) % len(words)]


def write(settings: dict, outputs: dict[str, Path]) -> Snapshots:
    """Write the matrices and items of two snapshots as RecLM publishes its own, and `truth` (npz: what was planted)."""
    truth, rng = snapshots(settings), np.random.default_rng([settings["seed"], 14])
    size, text = len(truth.topic), texts(settings, truth)
    item_id, column = rng.permutation(size) + 1, np.full((size, 2), -1)
    for n, part in enumerate(("train", "test")):
        there = np.flatnonzero(truth.offered[:, n])
        column[there, n] = rng.permutation(len(there))  # so that a column tells no factor
        user, item = getattr(truth, part)
        ones = np.ones(len(user), dtype=np.float32)
        matrix = sparse.csr_array((ones, (user, column[item, n])), shape=(settings["users"], len(there)))
        with atomic(outputs[part]) as temporary:
            sparse.save_npz(temporary, matrix)
    lines = []
    for i in np.argsort(item_id):
        places = (None if c < 0 else int(c) for c in column[i])
        record = {
            "item_id": int(item_id[i]), "cate": text["topic"][i], "sub_cate": text["subtopic"][i],
            "title": text["title"][i], "abstract": text["abstract"][i], **dict(zip(("train_col", "test_col"), places)),
        }  # fmt: skip
        lines.append(json.dumps(record) + "\n")
    write_file(outputs["items"], "".join(lines))
    factors = ("topic", "subtopic", "hidden", "style", "name", "utility")
    with atomic(outputs["truth"]) as temporary:
        np.savez_compressed(temporary, item_id=item_id, **{name: getattr(truth, name) for name in factors})
    return truth
