"""The gain of a profile: how much nearer to the top it brings held-out items than the cards alone do."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import padded
from ptebench.profiles.measures.bootstrap import interval
from ptebench.profiles.measures.ranking import gain, mid_ranks, negatives
from ptebench.profiles.measures.scorer import Scorer, products, read_history
from ptebench.randomness import generator

OWNERS = 256  # of a side and kind that are asked about, at most
FEWEST = 20  # of whom anything is said
EACH = 4  # held-out items of a user, or held-out readers of an item, at most
OTHERS = 99  # items that a user's held-out one is ranked among
FOLDS = 5
OF_GAIN = ("_low", "_high", "_owners")  # what is said of a gain beside its mean


@dataclass(frozen=True)
class Questions:
    """Held-out items, and what each is ranked among.

    owners: (E,) whose profile is asked. history: (E, 2, d) of `read_history`. candidates: (E, C) items, the held-out
    one first, 0 for none.
    """

    side: str
    owners: np.ndarray
    history: torch.Tensor
    candidates: np.ndarray

    def ids(self) -> list[int]:
        """Return whose profiles are read, ascending: of items also those of the others."""
        return sorted(set((self.owners if self.side == "user" else self.candidates).ravel().tolist()) - {0})


def events_of(valid: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Return one row for each held-out item of the validation events: user, history, target, known user, known item."""
    warm = pl.Series(split.warm())
    rows = valid.filter(pl.col("history").list.len() > 0).explode("targets").rename({"targets": "target"})
    rows = rows.filter(pl.col("target").is_not_null() & ~pl.col("target").is_in("history"))
    return rows.select(
        "user", "history", "target",
        known_user=pl.col("user").is_in(pl.Series([u for u, h in split.train.items() if h], dtype=pl.Int32).implode()),
        known_item=pl.col("target").is_in(warm.cast(pl.Int32).implode()),
    ).unique(["user", "target"], maintain_order=True)  # fmt: skip


def draw(rows: pl.DataFrame, owner: str, random) -> pl.DataFrame:
    """Return up to EACH rows of up to OWNERS owners, drawn at random."""
    owners = random.permutation(rows[owner].unique().sort().to_numpy())[:OWNERS]
    rows = rows[random.permutation(rows.height)].filter(pl.col(owner).is_in(pl.Series(owners).implode()))
    return rows.group_by(owner, maintain_order=True).head(EACH).sort(owner, "user", "target")


def questions(
    side: str, warm: bool, valid: pl.DataFrame, split: Split, cards: np.ndarray, closed: set[int], seed: int
) -> Questions | None:
    """Return what is asked of the owners of a side that the training data know, or not; None where they are too few.

    valid: validation events (EVENTS). closed: owners of whom nothing may be asked. A user's item is ranked among warm
    items, half of them drawn by popularity; an item among all that are asked about.
    """
    owner, random = {"user": "user", "item": "target"}[side], generator(seed, f"questions {side} {warm}")
    rows = events_of(valid, split).filter(pl.col(f"known_{side}") == warm, ~pl.col(owner).is_in(list(closed)))
    rows = draw(rows.filter("known_item") if side == "user" else rows, owner, random)
    if rows[owner].n_unique() < FEWEST:
        return None
    choices = [set(h) for h in rows["history"].to_list()]
    for user, of in rows.group_by("user").agg("target").iter_rows():
        for place in np.flatnonzero(rows["user"].to_numpy() == user):
            choices[place] |= set(of)
    if side == "user":
        cold, counts = split.cold(), np.bincount(split.ragged()[0], minlength=split.items + 1)
        others = negatives(random, counts, [t | cold for t in choices], OTHERS)
    else:
        pool = rows["target"].unique().sort().to_list()
        others = padded([[i for i in pool if i not in t] for t in choices])
    history = read_history(rows["history"].to_list(), cards)
    candidates = np.concatenate([rows["target"].to_numpy()[:, None], others], 1).astype(np.int64)
    return Questions(side, rows[owner].to_numpy().astype(np.int64), history, candidates)


class Gain:
    """The measure on the questions of one kind; what the cards say is read once."""

    def __init__(self, questions: Questions, scorer: Scorer, seed: int):
        self.questions, self.scorer, self.seed = questions, scorer, seed
        self.items = torch.from_numpy(questions.candidates)
        self.none = torch.from_numpy(questions.candidates == 0)
        cards = [scorer.card_scores(questions.history, self.items)[..., None]]
        # what the part that reads texts would make of the cards is no merit of a text
        read = [questions.history[:, place] for place in (0, 1)] if questions.side == "user" else [scorer.cards]
        self.cards = torch.cat(cards + [self._scores(vectors) for vectors in read], -1)
        self.reference = self.ranks(self.cards)

    def _scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return scores (E, C, 2) by vectors: of users' texts (E, d), or of items' by id (n + 1, d).

        The first is what the scorer makes of them, the second their plain product with card or history.
        """
        if self.questions.side == "user":
            texts, cards = vectors - vectors.mean(0), self.scorer.cards[self.items]
            scores = self.scorer.user_scores(texts, self.items), products(texts, cards)
        else:
            ids, texts = torch.tensor(self.questions.ids()), torch.zeros_like(vectors)
            texts[ids] = vectors[ids] - vectors[ids].mean(0)
            history = self.questions.history
            scores = self.scorer.item_scores(history, texts[self.items]), products(history[:, 0], texts[self.items])
        return torch.stack(scores, -1)

    def __call__(self, texts: dict[int, str], encode: Callable) -> dict:
        """Return the gain of texts by id, its 95 % interval and the number of owners; no text gains nothing."""
        vectors = self._vectors(texts, encode)
        return self.compare(self.ranks_of(vectors), self.reference) if len(vectors) > 1 else {}

    def change(self, before: dict[int, str], after: dict[int, str], encode: Callable) -> dict:
        """Return by how much the gain of texts is above that of others, as `__call__` does."""
        both = [self._vectors(texts, encode) for texts in (after, before)]
        return self.compare(*map(self.ranks_of, both)) if min(map(len, both)) > 1 else {}

    def _vectors(self, texts: dict[int, str], encode: Callable) -> dict[int, np.ndarray]:
        there = [i for i in self.questions.ids() if i in texts]
        return dict(zip(there, encode([texts[i] for i in there]))) if there else {}

    def ranks_of(self, by_id: dict[int, np.ndarray]) -> np.ndarray:
        """Return the ranks by cards and texts, given as vectors by id; who has none stands in the middle."""
        texts = torch.from_numpy(np.stack(list(by_id.values())).astype(np.float32))
        owners = torch.from_numpy(self.questions.owners)
        most = len(self.scorer.cards) if self.questions.side == "item" else 1 + max(int(owners.max()), *by_id)
        vectors = texts.mean(0).repeat(most, 1)
        vectors[list(by_id)] = texts
        read = self._scores(vectors if self.questions.side == "item" else vectors[owners])
        return self.ranks(torch.cat([self.cards, read], -1))

    def of_cards(self) -> dict:
        """Return the gain of the cards themselves: the mean of a history, or the item's own."""
        ids = self.questions.owners.tolist() if self.questions.side == "user" else self.questions.ids()
        vectors = self.questions.history[:, 0] if self.questions.side == "user" else self.scorer.cards[ids]
        return self.compare(self.ranks_of(dict(zip(ids, vectors.numpy()))), self.reference)

    def compare(self, rank: np.ndarray, reference: np.ndarray) -> dict:
        """Return the gain of ranks over others with its interval, by the bootstrap over owners."""
        gains = gain(rank, reference)
        owners, row = np.unique(self.questions.owners, return_inverse=True)
        each = np.bincount(row, gains) / np.bincount(row)
        low, high = interval(each, generator(self.seed, "bootstrap of the gain"))
        return {"gain": float(each.mean()), "gain_low": low, "gain_high": high, "gain_owners": len(owners)}

    def ranks(self, features: torch.Tensor) -> np.ndarray:
        """Return the mid-rank of each held-out item by features (E, C, F), weighed by weights of other owners."""
        deviation = features[~self.none].std(0).clamp(min=1e-4)
        features = torch.where(self.none[..., None], 0.0, features / deviation)
        start = torch.cat([deviation[:1], torch.zeros(features.shape[-1] - 1)])
        owners, place = np.unique(self.questions.owners, return_inverse=True)
        folds = generator(self.seed, "folds of the gain").permutation(len(owners)) % FOLDS
        fold, scores = torch.from_numpy(folds[place]), torch.empty(self.items.shape)
        for number in range(FOLDS):
            rows, others = fold == number, fold != number
            scores[rows] = features[rows] @ weigh(features[others], self.none[others], start)
        return mid_ranks(scores.masked_fill(self.none, -torch.inf).numpy())


def weigh(features: torch.Tensor, none: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Return the weights (F,) of a conditional logit whose first candidate is chosen.

    features: (E, C, F). none: (E, C) where there is no candidate. start: (F,), the mean of their normal prior.
    """
    weights = start.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([weights], max_iter=50, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        scores = (features @ weights).masked_fill(none, -torch.inf)
        value = -torch.log_softmax(scores, 1)[:, 0].sum() + 0.5 * ((weights - start) ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()
