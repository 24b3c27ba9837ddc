"""All measures of what some vectors of items tell of others, one after another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import polars as pl
import torch

from ptebench.errors import InputError
from ptebench.information import contrast, geometry, mixtures, reconstruction
from ptebench.information.fitting import INPUTS, View
from ptebench.information.folds import folds, numbers, rarest_fold
from ptebench.information.intervals import Estimate, ratio
from ptebench.information.task import CAPACITIES, Events, Task
from ptebench.randomness import generator

MEASURES = {
    "measure": pl.String, "source": pl.String, "target": pl.String, "items": pl.String, "value": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "null": pl.Float64, "bound": pl.Float64, "count": pl.Int64,
}  # fmt: skip
TOLERANCE = 0.005  # share of the loss that what is left out may be worth
SHARES = (0.25, 0.5)
Row = tuple[str | float | int | None, ...]


@dataclass(frozen=True)
class Material:
    """Vectors of items by name (items + 1, d), rows of zeros unknown, and the split that they are judged by."""

    vectors: dict[str, torch.Tensor]
    counts: np.ndarray  # (items + 1,) training events
    partners: torch.Tensor  # (2, m) neighbours in training histories
    valid: Events
    test: Events
    seed: int = 0
    items: np.ndarray = field(init=False)  # (items + 1,) trained, with all vectors

    def __post_init__(self) -> None:
        for name, vectors in self.vectors.items():
            check(name, vectors, len(self.counts))
        present = torch.stack([vectors.any(1) for vectors in self.vectors.values()]).all(0).numpy()
        object.__setattr__(self, "items", present & (self.counts > 0))

    def strata(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return which of some training counts (n,) are of all items, warm, tail and cold ones, where there are any."""
        middle = np.median(self.counts[self.counts > 0])
        parts = {
            "all": np.ones(len(counts), dtype=bool),
            "warm": counts > middle,
            "tail": (counts > 0) & (counts <= middle),
            "cold": counts == 0,
        }
        return {name: part for name, part in parts.items() if part.any()}


def check(name: str, vectors: torch.Tensor, rows: int) -> None:
    """Raise InputError for vectors that nothing can be measured of."""
    if len(vectors) != rows:
        raise InputError(f"vectors {name!r}: {len(vectors) - 1} items, and the split has {rows - 1}; make them again")
    if not torch.isfinite(vectors).all():
        row = int((~torch.isfinite(vectors)).any(1).nonzero()[0])
        raise InputError(f"vectors {name!r}: that of item {row} is not finite; the model diverged, train it again")
    present = vectors[vectors.any(1)]
    if not len(present) or not vectors.shape[1] or not (present != present[0]).any():
        raise InputError(f"vectors {name!r}: all items have the same, which tells nothing; name others")


def row(measure: str, source: str, target: str, items: str, estimate: Estimate, null: float | None = None,
        bound: float | None = None) -> Row:  # fmt: skip
    """Return a row of MEASURES."""
    return (measure, source, target, items, *estimate[:3], null, bound, estimate.size)


class Pairs:
    """Measures of how much one name's vectors tell of another's, cross-fitted over the items that all know."""

    def __init__(self, material: Material, number: np.ndarray):
        self.seed, self.names = material.seed, list(material.vectors)
        rows = np.flatnonzero(material.items)
        self.counts = material.counts[rows]
        vectors = {name: vectors[rows].float() for name, vectors in material.vectors.items()}
        self.vectors = vectors | nulls(vectors, self.counts, material.seed)
        parts = folds(number[rows])
        self.views = [View(self.vectors, fold) for fold in parts]
        self.rare = [View(self.vectors, rarest_fold(self.counts, material.seed))]
        self.order = np.concatenate([fold.test.numpy() for fold in parts])
        self.strata = {name: part for name, part in material.strata(self.counts[self.order]).items() if name != "cold"}

    def all(self) -> Iterator[Row]:
        """Yield every measure of every ordered pair."""
        for target in self.names:
            yield from self.reconstructions(target)
            yield from self.sufficiencies(target)
            yield from self.bounds(target)
        for source, target in permutations(self.names, 2):
            for name, (estimate, chance) in reconstruction.retrieval(self.views, source, target).items():
                yield row(name, source, target, "all", estimate, chance)
        yield from self.likenesses()

    def reconstructions(self, target: str) -> Iterator[Row]:
        """Yield linear R^2, raw and whitened, and non-linear R^2 of a target."""
        raw = self.vectors[target]
        for source in [*(name for name in self.names if name != target), "random"]:
            null = reconstruction.linear_null(self.views, source, raw, self.seed)
            for views, strata in ((self.views, self.strata), (self.rare, None)):
                same = [raw] * len(views)
                linear = reconstruction.linear(views, source, same)
                curved = [
                    reconstruction.nonlinear(view, source, raw, base, self.seed)
                    for view, base in zip(views, linear, strict=True)
                ]
                white = [view.whiten(target, INPUTS) for view in views]
                whitened = reconstruction.linear(views, source, white)
                for name, predicted, targets, chance in (
                    ("linear R2", linear, same, null),
                    ("linear R2, whitened", whitened, white, None),
                    ("non-linear R2", curved, same, None),
                ):
                    shares = reconstruction.explain(views, predicted, targets)
                    for items, mask in (strata or {"rarest fifth": np.ones(shares.shape[1], dtype=bool)}).items():
                        yield row(name, source, target, items, ratio(*shares[:, mask]), chance)

    def sufficiencies(self, target: str) -> Iterator[Row]:
        """Yield the nats of a target that each source tells, nulls too, and their share of what it tells of itself."""
        apart = np.concatenate([mixtures.marginal(view, target, self.seed) for view in self.views])
        sources = [target, *(name for name in self.vectors if name != target)]
        gains = {}
        for source in sources:
            densities = [mixtures.conditional(view, source, target, self.seed) for view in self.views]
            gains[source] = np.concatenate(densities) - apart
        null = max(ratio(gains[name]).high for name in ("random", "hashed"))
        for source, nats in gains.items():
            for items, mask in self.strata.items():
                yield row("nats", source, target, items, ratio(nats[mask]), null)
                yield row("ISI", source, target, items, clip(ratio(nats[mask], gains[target][mask])))

    def bounds(self, target: str) -> Iterator[Row]:
        """Yield the bound on the nats of a target by contrast, for each number of candidates, with its cap."""
        smallest = min(len(view.fold.test) for view in self.views)
        for source in [*(name for name in self.names if name != target), "random"]:
            critics = [contrast.critic(view, source, target, self.seed) for view in self.views]
            for size in contrast.sizes(smallest):
                parts = [
                    contrast.bounds(critic, view.fold.test, size, self.seed)
                    for critic, view in zip(critics, self.views, strict=True)
                ]
                yield row(f"InfoNCE, N={size}", source, target, "all", ratio(np.concatenate(parts)), None,
                          math.log(size))  # fmt: skip

    def likenesses(self) -> Iterator[Row]:
        """Yield the measures of geometry that take two sets of vectors."""
        names = [*self.names, "random"]
        near = {name: geometry.neighbours(self.vectors[name]) for name in names}
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                measures = geometry.likeness(
                    self.vectors[first], self.vectors[second], (near[first], near[second]), self.seed
                )
                for name, (estimate, null) in measures.items():
                    yield row(name, first, second, "all", estimate, null)


def clip(share: Estimate) -> Estimate:
    """Return a share between 0 and 1."""
    value, low, high = (min(1.0, max(0.0, x)) for x in share[:3])
    return Estimate(value, low, high, share.size)


def nulls(vectors: dict[str, torch.Tensor], counts: np.ndarray, seed: int) -> dict[str, torch.Tensor]:
    """Return vectors that know no item: random ones, as wide as the widest; and such that know what is the same.

    `hashed`: random ones of each distinct vector, of those with the fewest. `popularity`: log counts.
    """
    width = max(v.shape[1] for v in vectors.values())
    same = min((torch.unique(v, dim=0, return_inverse=True)[1] for v in vectors.values()), key=lambda x: int(x.max()))
    draws = {name: generator(seed, name).standard_normal((len(counts), width)) for name in ("random", "hashed")}
    noise = {name: torch.from_numpy(values).float() for name, values in draws.items()}
    popularity = torch.from_numpy(np.log1p(counts)).float()[:, None]
    return {"random": noise["random"], "hashed": noise["hashed"][same], "popularity": popularity}


def shapes(material: Material) -> Iterator[Row]:
    """Yield the measures of geometry that take one set of vectors."""
    rows = np.flatnonzero(material.items)
    place = torch.full((len(material.counts),), -1)
    place[rows] = torch.arange(len(rows))
    partners = place[material.partners]
    partners = partners[:, (partners >= 0).all(0)]
    for name, vectors in material.vectors.items():
        for measure, estimate in geometry.shape(vectors[rows], partners, material.seed).items():
            yield row(measure, name, "", "all", estimate)


class Tasks:
    """The decisive measures: what vectors are worth to a recommender."""

    def __init__(self, material: Material, number: np.ndarray):
        self.material, self.names = material, list(material.vectors)
        self.task = Task(material.valid, material.test, material.counts, number, material.seed)
        self.users = material.test.users
        self.strata = material.strata(material.counts[material.test.targets])

    def all(self) -> Iterator[Row]:
        """Yield what vectors gain over popularity, what others add to them, and the budget curve of the first two."""
        random = generator(self.material.seed, "task").standard_normal(next(iter(self.material.vectors.values())).shape)
        random[0] = 0
        popular = self.task.losses([])
        yield from self._losses("log loss", "popularity", popular)
        for name, vectors in [*self.material.vectors.items(), ("random", torch.from_numpy(random).float())]:
            loss = self.task.losses([vectors])
            yield from self._losses("log loss", name, loss)
            for items, mask in self.strata.items():
                gain = ratio((popular - loss)[mask], units=self.users[mask])
                yield row("gain over popularity", name, "", items, gain)
        for source, target in permutations(self.names, 2):
            yield from self.added(source, target, "added")
        for source, target in permutations(self.names[:2], 2):
            for name, layers in list(CAPACITIES.items())[1:]:
                yield from self.added(source, target, f"added, {name}", layers)
            for share in SHARES:
                yield from self.added(source, target, f"added, {share:.0%} of the events", share=share)

    def _losses(self, measure: str, name: str, loss: np.ndarray) -> Iterator[Row]:
        for items, mask in self.strata.items():
            yield row(measure, name, "", items, ratio(loss[mask], units=self.users[mask]))

    def added(self, source: str, target: str, measure: str, layers: int = 0, share: float = 1.0) -> Iterator[Row]:
        """Yield what the target's vectors add to the source's and to what these tell of the target's.

        The bound is TOLERANCE of the loss without them.
        """
        u, v = self.material.vectors[source], self.material.vectors[target]
        without = self.task.losses([u, (u, v)], layers, share)
        more = self.task.losses([u, (u, v), v], layers, share)
        for items, mask in self.strata.items():
            added = ratio((without - more)[mask], units=self.users[mask])
            yield row(measure, source, target, items, added, None, TOLERANCE * float(without[mask].mean()))


def measure(material: Material) -> pl.DataFrame:
    """Return all measures, a frame of MEASURES."""
    if len(material.vectors) < 2:
        raise InputError("information: one set of vectors; name at least two to compare")
    number = np.concatenate([[-1], numbers(material.counts[1:], material.seed)])
    numbers(material.counts[material.items], material.seed)  # raises where too few are known
    rows: list[Row] = []
    for part in (Pairs(material, number).all(), shapes(material), Tasks(material, number).all()):
        for one in part:
            rows.append(one)
            print(*(f"{x:.4g}" if isinstance(x, float) else x for x in one), flush=True)
    return pl.DataFrame(rows, schema=MEASURES, orient="row")
