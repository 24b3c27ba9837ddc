"""A small scorer of next items: it reads the cards of a history, and beside them a profile of the user or of the item.

The part that reads cards is trained first, alone; then those that read texts, beside it, on texts that cost nothing and
know nothing of the item to be found. So a text earns only what the cards do not say already.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import polars as pl
import scipy.sparse as sp
import torch

from ptebench.descent import descend
from ptebench.files import InputError, ragged
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.teachers.template import Template
from ptebench.randomness import generator

PAIRS = 4096  # of a history and its next item that are learned from, at most
TEXTS, TOLD = 1024, 512  # pairs, at most twice as many, and items, at most, whose texts are learned from
WIDTH = 8  # of the matrices of a block
BATCH, POOL = 256, 512  # pairs of a step, and items that their targets are ranked among
EPOCHS, PATIENCE = 30, 3
HELD = 0.2  # share of the users whose loss says when to stop
RATE, DECAY = 1e-3, 1.0
SHARP = 10.0  # what a cosine counts before any training


@dataclass(frozen=True)
class Pair:
    """A user, the beginning of the training history, and the item that follows it."""

    user: int
    before: list[int]
    target: int


def first_places(history: list[int]) -> list[int]:
    """Return where each item of a history stands first, ascending."""
    return sorted({item: len(history) - place for place, item in enumerate(reversed(history), 1)}.values())


def pairs_of(split: Split, seed: int) -> list[Pair]:
    """Return up to PAIRS of the training histories, drawn by seed; raise InputError where there are too few."""
    places = [(u, p) for u, h in split.train.items() for p in first_places(h) if p]
    if len(places) < 8:
        raise InputError(
            f"train.parquet: {len(places)} items follow another in a history, expected at least 8; relax the "
            "dataset's filters"
        )
    sample = np.sort(generator(seed, "pairs").permutation(len(places))[:PAIRS])
    return [Pair(u, split.train[u][:p], split.train[u][p]) for u, p in (places[k] for k in sample.tolist())]


def read_history(histories: list[list[int]], cards: np.ndarray) -> torch.Tensor:
    """Return what is read of the cards of histories: their mean, and the newest; (B, 2, d), zeros for an empty one."""
    summary = np.zeros((len(histories), 2, cards.shape[1]), dtype=np.float32)
    for row, history in zip(summary, histories):
        if history:
            row[0], row[1] = cards[history].mean(0), cards[history[-1]]
    return torch.from_numpy(summary)


class Block(torch.nn.Module):
    """How well vectors x and y go together: w x . y + (x A) . (y B), which begins as w times their product."""

    def __init__(self, dimension: int, sharp: float, draws: torch.Generator):
        super().__init__()
        self.sharp = torch.nn.Parameter(torch.tensor(sharp))
        first = torch.randn(dimension, min(WIDTH, dimension), generator=draws) / dimension**0.5
        self.left, self.right = torch.nn.Parameter(first), torch.nn.Parameter(torch.zeros_like(first))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C) of x (B, d) with y, (C, d) for all rows or (B, C, d) for each."""
        return SHARP * (products(self.sharp * x, y) + products(x @ self.left, y @ self.right))

    def transposed(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C) of y (B, d) with each x (B, C, d)."""
        return SHARP * (products(self.sharp * y, x) + products(y @ self.right, x @ self.left))


def products(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the products (B, C) of x (B, d) with y, (C, d) for all rows or (B, C, d) for each."""
    return x @ y.T if y.dim() == 2 else (y @ x[:, :, None])[:, :, 0]


class Cards(torch.nn.Module):
    """Scores items by the cards of a history, their own card, and how often they were chosen."""

    def __init__(self, dimension: int, draws: torch.Generator):
        super().__init__()
        self.mean, self.newest = Block(dimension, 1.0, draws), Block(dimension, 0.0, draws)
        self.usual = torch.nn.Parameter(torch.zeros(dimension))  # what everybody likes
        self.popular = torch.nn.Parameter(torch.tensor(0.0))

    def forward(self, history: torch.Tensor, cards: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C): history (B, 2, d), cards (C, d) or (B, C, d), counts (C,) or (B, C) in logarithms."""
        read = self.mean(history[:, 0], cards) + self.newest(history[:, 1], cards)
        return read + self.prior(cards, counts)

    def prior(self, cards: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return scores for anybody."""
        return SHARP * cards @ self.usual + self.popular * counts


def fit(module: torch.nn.Module, score: Callable, pairs: list[Pair], items: np.ndarray, split: Split, seed: int):
    """Train a part of the scorer in place: the target of a pair is to stand above items that the user never chose.

    score(rows, items) -> (B, C) of pairs (B,) with items, ids (C,) or (B, C). items: ids that targets are ranked among,
    half of them drawn by popularity. Ends where the loss of users set apart has not fallen for PATIENCE epochs, and
    keeps the best.
    """
    random = generator(seed, f"scorer {len(items)} {type(module).__name__}")
    popularity = np.bincount(split.ragged()[0], minlength=split.items + 1)[items]
    owners, targets = np.array([p.user for p in pairs]), torch.tensor([p.target for p in pairs])
    apart = np.isin(owners, random.permutation(np.unique(owners))[: max(1, round(HELD * len(np.unique(owners))))])
    lists = [split.train[u] for u in owners.tolist()]
    columns, starts = np.concatenate(lists), np.cumsum([0, *map(len, lists)])
    choices = sp.csr_matrix((np.ones(len(columns), bool), columns, starts), shape=(len(pairs), split.items + 1))

    def pool() -> np.ndarray:
        size = min(POOL, len(items)) // 2
        popular = random.choice(len(items), size, p=(popularity + 0.1) / (popularity + 0.1).sum())
        return items[np.unique(np.concatenate([popular, random.integers(len(items), size=size)]))]

    def loss(rows: np.ndarray, among: np.ndarray) -> torch.Tensor:
        at = torch.from_numpy(rows)
        scores = score(at, torch.from_numpy(among))
        scores = scores.masked_fill(torch.from_numpy(choices[rows][:, among].toarray()), -torch.inf)
        return -torch.log_softmax(torch.cat([score(at, targets[at, None]), scores], 1), 1)[:, 0].mean()

    learned, validation, usual = np.flatnonzero(~apart), np.flatnonzero(apart), pool()

    def losses() -> Iterator[torch.Tensor]:
        for rows in np.array_split(random.permutation(learned), max(1, len(learned) // BATCH)):
            yield loss(rows, pool())

    descend(module, optimizer_of(module), losses, lambda: float(loss(validation, usual)), EPOCHS, PATIENCE)
    module.requires_grad_(False)


def optimizer_of(module: torch.nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer of a part: single numbers learn fast and are not drawn to zero."""
    module.requires_grad_(True)
    numbers, matrices = ([p for p in module.parameters() if (p.dim() > 0) == wide] for wide in (False, True))
    groups: list[dict] = [{"params": numbers, "lr": 10 * RATE, "weight_decay": 0.0}, {"params": matrices}]
    return torch.optim.AdamW(groups, RATE, weight_decay=DECAY)


def texts_before(pairs: list[Pair], split: Split) -> list[str]:
    """Return what the template says of each pair's user from what stands before the target."""
    before = pl.Series([p.before for p in pairs], dtype=pl.List(pl.Int64))
    return [layout(f, "user") for f in Template(split.cards, *split.ragged()).users(*ragged(before))]


def texts_of_others(pairs: list[Pair], split: Split, seed: int) -> tuple[list[Pair], np.ndarray, list[str]]:
    """Return pairs of half of the users, items with their targets among them, and what the template says of those.

    It knows the other half of the users alone: what an item's text says of its readers says nothing of the pair's.
    """
    random = generator(seed, "texts of items")
    users = random.permutation(sorted({p.user for p in pairs}))
    half = set(users[: len(users) // 2].tolist())
    pairs = [p for p in pairs if p.user in half]
    targets, warm = np.unique([p.target for p in pairs]), split.warm()
    items = np.concatenate([random.permutation(targets), random.permutation(np.setdiff1d(warm, targets))])
    items = np.sort(items[:TOLD])
    others = [h for u, h in split.train.items() if u not in half]
    template = Template(split.cards, *ragged(pl.Series(others, dtype=pl.List(pl.Int64))))
    members = set(items.tolist())
    return [p for p in pairs if p.target in members], items, [layout(f, "item") for f in template.items(items)]


def pairs_with_texts(pairs: list[Pair]) -> list[Pair]:
    """Return the pairs whose users' texts are learned from."""
    return pairs[:: max(1, len(pairs) // TEXTS)]


def texts_of_scorer(split: Split, seed: int) -> list[str]:
    """Return the texts that the scorer of a split learns from."""
    pairs = pairs_of(split, seed)
    return [*texts_before(pairs_with_texts(pairs), split), *texts_of_others(pairs, split, seed)[2]]


class Scorer:
    """The scorer of a split in the space of an encoder.

    cards: (n_items + 1, d). by_cards reads cards. user_text and item_text read texts alone, less `usual`, the mean of
    the texts that they were trained on, by side.
    """

    def __init__(self, split: Split, cards: np.ndarray, encode: Callable, seed: int):
        self.cards = torch.from_numpy(np.ascontiguousarray(cards, dtype=np.float32))
        self.usual: dict[str, torch.Tensor] = {}
        self.counts = torch.from_numpy(np.log1p(np.bincount(split.ragged()[0], minlength=len(cards)))).float()
        pairs, warm = pairs_of(split, seed), split.warm()
        self.by_cards = Cards(cards.shape[1], torch.Generator().manual_seed(seed))
        histories = read_history([p.before for p in pairs], cards)
        fit(self.by_cards, lambda p, i: self.card_scores(histories[p], i), pairs, warm, split, seed)
        # words go with items as cards do, to begin with
        self.user_text, self.item_text = deepcopy(self.by_cards.mean), deepcopy(self.by_cards.mean)
        with_texts = pairs_with_texts(pairs)
        vectors = self._center("user", encode(texts_before(with_texts, split)))
        fit(self.user_text, lambda p, i: self.user_scores(vectors[p], i) + self.prior(i), with_texts, warm, split, seed)
        pairs, items, texts = texts_of_others(pairs, split, seed)
        read, by_id = read_history([p.before for p in pairs], cards), torch.zeros_like(self.cards)
        by_id[items] = self._center("item", encode(texts))
        fit(self.item_text, lambda p, i: self.item_scores(read[p], by_id[i]) + self.prior(i), pairs, items, split, seed)

    def _center(self, side: str, vectors: np.ndarray) -> torch.Tensor:
        """Return vectors of texts of a side less their mean, which is kept."""
        read = torch.from_numpy(np.asarray(vectors, dtype=np.float32))
        self.usual[side] = read.mean(0)
        return read - self.usual[side]

    def prior(self, items: torch.Tensor) -> torch.Tensor:
        """Return scores of items for anybody."""
        return self.by_cards.prior(self.cards[items], self.counts[items])

    def card_scores(self, history: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C) of items, ids (C,) or (B, C), by cards alone. history: of `read_history`."""
        return self.by_cards(history, self.cards[items], self.counts[items])

    def user_scores(self, texts: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C) of items by texts of their users (B, d), less their mean."""
        return self.user_text(texts, self.cards[items])

    def item_scores(self, history: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Return scores (B, C) of items by their texts (C, d) or (B, C, d), less their mean."""
        return self.item_text(history[:, 0], texts)

    def reader_scores(self, means: torch.Tensor, items: torch.Tensor, texts: torch.Tensor | None) -> torch.Tensor:
        """Return scores (B, C) of the readers of items, ids (B,), by their mean cards (B, C, d) and the items' texts.

        texts: (B, d), less their mean, or None for the cards alone.
        """
        by_cards = self.by_cards.mean.transposed(self.cards[items], means)
        return by_cards if texts is None else by_cards + self.item_text.transposed(texts, means)
