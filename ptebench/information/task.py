"""Task sufficiency: what the same scorer of next items loses, event by event, when some vectors are left out.

Vectors are frozen. Scorers learn from validation events, of which no vector has seen the target, and are measured on
test events whose targets lie in another fold of items. Every scorer knows how often each item was chosen in training,
so that what is measured is what vectors say beyond it. An event's loss is -log of the target's share among the items of
its fold; those of its own history are no rivals.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from ptebench.descent import descend
from ptebench.errors import InputError
from ptebench.information.fitting import INPUTS, Ridge, net, whiten
from ptebench.information.folds import FOLDS, Fold

DECAYS = (0.5, 0.95)  # of an item's weight with each newer one: what was last, and the whole history
RANK = 32
CANDIDATES = 512
BATCH = 256
EPOCHS = 30
PATIENCE = 3
FEWEST = 100  # events to fit on in all
Block = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
CAPACITIES = {"linear": 0, "one hidden layer": 1, "two hidden layers": 2}


@dataclass(frozen=True)
class Events:
    """What users did before (ragged rows of items, the newest last), and next."""

    users: np.ndarray  # (E,)
    values: np.ndarray
    offsets: np.ndarray  # (E + 1,)
    targets: np.ndarray  # (E,)

    def weights(self, decay: float, items: int) -> sp.csr_array:
        """Return the weight of each item of a history (E, items + 1), in all 1 for an event."""
        lengths = np.diff(self.offsets)
        age = np.repeat(self.offsets[1:], lengths) - 1 - np.arange(len(self.values))
        weight = decay ** age.astype(np.float64)
        whole = np.add.reduceat(np.append(weight, 0.0), self.offsets[:-1]) * (lengths > 0)
        weight /= np.repeat(whole, lengths)
        shape = len(self.targets), items + 1
        return sp.csr_array((weight.astype(np.float32), self.values, self.offsets), shape=shape)


class Scorer(nn.Module):
    """History . item and the log count of the item; `layers` hidden layers beside the linear part.

    The coordinates of a block of vectors weigh alike, or as they vary, for a start: four weights a block, which few
    events tell. Then each coordinate by itself, and all of them across.
    """

    block: torch.Tensor
    spread: torch.Tensor

    def __init__(self, sizes: list[int], spread: torch.Tensor, layers: int):
        """Take the coordinates of each block, and the share of each coordinate in its block's variance (k,)."""
        super().__init__()
        width = sum(sizes)
        self.popularity = nn.Parameter(torch.tensor(0.5))
        self.coarse = nn.Parameter(torch.zeros(len(DECAYS), 2, len(sizes)))
        self.register_buffer("block", torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes, dtype=torch.long)))
        self.register_buffer("spread", spread)
        self.fine = nn.Parameter(torch.zeros(len(DECAYS), width))
        hidden = RANK if layers == 0 else 2 * width
        self.query = net(len(DECAYS) * width, RANK, hidden, layers) if width else None
        self.item = net(width, RANK, hidden, layers) if width else None
        if self.query is not None:
            last: Any = self.query[-1]
            nn.init.normal_(last.weight, std=last.in_features**-0.5)

    def read(self, pools: torch.Tensor, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vectors of histories (B, m) from pools (B, 2, k), and of items (n, m) from their own (n, k)."""
        if self.query is None or self.item is None:
            return pools.flatten(1), items
        coarse = self.coarse[..., self.block]
        weights = coarse[:, 0] + coarse[:, 1] * self.spread + self.fine
        query = torch.cat([(pools * weights).sum(1), self.query(pools.flatten(1))], 1)
        return query, torch.cat([items, self.item(items)], 1)

    def stages(self) -> list[tuple[list[nn.Parameter], float]]:
        """Return what is learned first and what then, each with its rate."""
        first = [self.popularity, self.coarse]
        return [(first, 0.1), (list(self.parameters()), 2e-3)][: 1 if self.query is None else 2]


class Task:
    """Events to fit scorers on and to measure them on, and the folds of all items."""

    def __init__(self, fitted: Events, measured: Events, counts: np.ndarray, number: np.ndarray, seed: int):
        """Take training counts (items + 1,) and the fold of each item (items + 1,), -1 of the padding."""
        if min(len(fitted.targets), len(measured.targets)) < FEWEST:
            raise InputError(
                f"{len(fitted.targets)} validation and {len(measured.targets)} test events, and the task needs at "
                f"least {FEWEST} of each; use a larger dataset"
            )
        self.events, self.counts, self.number, self.seed = (fitted, measured), counts, number, seed
        self.popularity = torch.from_numpy(np.log1p(counts)).float()
        self.weights = [[events.weights(decay, len(counts) - 1) for decay in DECAYS] for events in self.events]
        self.items = [torch.from_numpy(np.flatnonzero(number == k)) for k in range(FOLDS)]
        self.of_fold = [
            [torch.from_numpy(np.flatnonzero(number[events.targets] == k)) for k in range(FOLDS)]
            for events in self.events
        ]
        self.place = torch.zeros(len(counts), dtype=torch.long)
        for items in self.items:
            self.place[items] = torch.arange(len(items))

    def losses(self, blocks: list[Block], layers: int = 0, share: float = 1.0) -> np.ndarray:
        """Return the loss of each test event, scored with all blocks of vectors (items + 1, d), rows of zeros unknown.

        A block may be a pair (source, target): what a ridge on the fold's other items says of the target from the
        source. layers: hidden layers beside the linear part. share: of the events to fit on.
        """
        result = np.empty(len(self.events[1].targets))
        for fold in range(FOLDS):
            result[self.of_fold[1][fold].numpy()] = self._fold(fold, blocks, layers, share)
        return result

    def _fold(self, fold: int, blocks: list[Block], layers: int, share: float) -> np.ndarray:
        others = [k for k in range(FOLDS) if k not in (fold, (fold + 1) % FOLDS)]
        x, sizes, spread = self._features(self._resolved(blocks, others, fold), np.isin(self.number, others))
        pools = [
            torch.from_numpy(np.stack([matrix @ x.numpy() for matrix in matrices], 1)).float()
            for matrices in self.weights
        ]
        torch.manual_seed(self.seed)
        model = Scorer(sizes, spread, layers)
        self._fit(model, x, pools[0], others, (fold + 1) % FOLDS, share)
        with torch.no_grad():
            return self._measure(model, x, pools[1], 1, fold).double().numpy()

    def _resolved(self, blocks: list[Block], others: list[int], fold: int) -> list[torch.Tensor]:
        """Return blocks with each pair as what its source says of its target."""
        parts = [torch.from_numpy(np.isin(self.number, ks)) for ks in (others, [(fold + 1) % FOLDS], [fold])]
        result = []
        for block in blocks:
            if isinstance(block, tuple):
                source, target = block
                both = source.any(1) & target.any(1)
                ridge = Ridge(source, Fold(*((part & both).nonzero()[:, 0] for part in parts)))
                block = ridge.predict(target) * source.any(1, keepdim=True)
            result.append(block)
        return result

    def _features(self, blocks: list[torch.Tensor], fit: np.ndarray) -> tuple[torch.Tensor, list[int], torch.Tensor]:
        """Return all blocks side by side (items + 1, k), their sizes, and each coordinate's variance before (k,).

        Each block is whitened by the items `fit` and about 1 long; its variances have the mean 1.
        """
        parts, spreads = [torch.zeros(len(self.counts), 0)], [torch.zeros(0)]
        for block in blocks:
            present = block.any(1)
            rows = torch.from_numpy(fit) & present
            white = whiten(block, rows, INPUTS)
            along = (block[rows] - block[rows].mean(0)).T @ white[rows]  # axes times standard deviations
            spread = along.square().sum(0)
            parts.append(white * present[:, None] / white.shape[1] ** 0.5)
            spreads.append(spread / spread.mean())
        return torch.cat(parts, 1), [part.shape[1] for part in parts[1:]], torch.cat(spreads)

    def _measure(self, model: Scorer, x: torch.Tensor, pools: torch.Tensor, kind: int, fold: int) -> torch.Tensor:
        """Return the loss of each event of a fold, among all items of it."""
        items, rows = self.items[fold], self.of_fold[kind][fold]
        targets, losses = torch.from_numpy(self.events[kind].targets), [torch.empty(0)]
        for part in rows.split(1024):
            query, vectors = model.read(pools[part], x[items])
            scores = query @ vectors.T + model.popularity * self.popularity[items]
            own = scores[torch.arange(len(part)), self.place[targets[part]]]
            scores[self._own_history(kind, part, items)] = -torch.inf
            scores[torch.arange(len(part)), self.place[targets[part]]] = own
            losses.append(torch.logsumexp(scores, 1) - own)
        return torch.cat(losses)

    def _own_history(self, kind: int, rows: torch.Tensor, items: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return where, in scores (events `rows`, `items`), an item stands in the event's own history."""
        place = np.full(len(self.counts), -1)
        place[items.numpy()] = np.arange(len(items))
        histories = self.weights[kind][0][rows.numpy()]
        columns = place[histories.indices]
        inside = columns >= 0
        of = np.repeat(np.arange(len(rows)), np.diff(histories.indptr))
        return torch.from_numpy(of[inside]), torch.from_numpy(columns[inside])

    def _batches(self, others: list[int], share: float, draws: torch.Generator):
        """Yield folds and rows of events in batches, each of one fold, in a mixed order."""
        batches = []
        for k in others:
            rows = self.of_fold[0][k]
            sample = rows[: round(share * len(rows))]
            order = sample[torch.randperm(len(sample), generator=draws)]
            batches += [(k, part) for part in order.split(min(BATCH, max(32, len(sample) // 8))) if len(part)]
        for b in torch.randperm(len(batches), generator=draws).tolist():
            yield batches[b]

    def _fit(self, model: Scorer, x, pools, others: list[int], choose: int, share: float) -> None:
        """Train a scorer against sampled items of the target's fold; leave it where it was best on `choose`."""
        draws = torch.Generator().manual_seed(self.seed)

        def losses() -> Iterator[torch.Tensor]:
            for k, rows in self._batches(others, share, draws):
                yield self._loss(model, x, pools, rows, self.items[k], draws)

        def judge() -> float:
            return float(self._measure(model, x, pools, 0, choose).mean())

        for parameters, rate in model.stages():
            descend(model, torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-2), losses, judge, EPOCHS, PATIENCE)

    def _loss(self, model: Scorer, x, pools, rows, items, draws: torch.Generator) -> torch.Tensor:
        """Return the mean loss of a batch among its targets' own items and CANDIDATES others of the fold."""
        others = items[torch.randperm(len(items), generator=draws)[:CANDIDATES]]
        targets = torch.from_numpy(self.events[0].targets)[rows]
        query, vectors = model.read(pools[rows], x[torch.cat([targets, others])])
        prior = self.popularity * model.popularity
        own = (query * vectors[: len(targets)]).sum(1) + prior[targets]
        rest = query @ vectors[len(targets) :].T + prior[others]
        no_rival = targets[:, None] == others
        no_rival[self._own_history(0, rows, others)] = True
        rest = rest.masked_fill(no_rival, -torch.inf)
        return (torch.logsumexp(torch.cat([own[:, None], rest], 1), 1) - own).mean()
