"""Significance tests of differences between the rows of a table, paired over events and computed from ranks.

The bootstrap resamples, and the permutation test flips, whole units: a unit is a user with all events of a ranking or,
beyond UNITS users, a random block of users. The seeds of a row are averaged per event. Per panel (dataset, protocol,
ranking, group) and metric:
  interval    95 %, percentile bootstrap over units, of each mean and of each paired difference
  p           paired permutation test: the share of sign flips of the units whose difference of means is as large as
              observed in absolute value; over all 2^units flips where they are few, else over random flips and the
              observation itself
  p_holm      p adjusted by Holm (Scandinavian Journal of Statistics 1979) within the family of a column of a panel,
              where rows whose text's writer saw held-out items are compared among themselves, and are a family
  d_z         Cohen's d for paired values: the mean difference over the standard deviation of the differences of events
All rows, metrics and groups share the same draws and flips, so each step is one product of matrices.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product, repeat
from pathlib import Path

import numpy as np
import polars as pl

from ptebench.files import GROUPS, LISTS, RANKS, TRAIN, InputError, read_table, read_vectors
from ptebench.report.lists import is_of_lists, measure_events, metrics_of_events, metrics_of_ranks
from ptebench.report.metrics import OVERALL, event_values

LEVEL = 0.05
SEED = 0
UNITS = 2**14
DRAWS = 10_000
MARGIN = 25  # flips per comparison of a family at least: the smallest p can pass Holm's first step, 1 / 25 < LEVEL
CHUNK = 2**22  # units times draws in memory


Panel = tuple[str, str, str, str]  # dataset, protocol, ranking, group
Row = tuple[str, str, str, str]  # dataset, protocol, backbone, representation


@dataclass(frozen=True)
class Sample:
    """Metric values of the rows of a panel, summed over the events of each unit.

    sums: (units, metrics, rows); sizes: (units,) events of each; sd: (metrics, rows) over events.
    """

    sums: np.ndarray
    sizes: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Evidence:
    """Intervals of the rows of a panel, and tests of the pairs of rows that are compared.

    low, high (nan with a single unit), sd: (metrics, rows). difference, difference_low, difference_high, d_z (nan
    without variance), p, p_holm: (tested metrics, pairs); the difference of a pair (first, second) is first minus
    second. Metrics of lists come last and are not tested.
    resolution: the smallest p that the test can return.
    """

    events: int
    low: np.ndarray
    high: np.ndarray
    sd: np.ndarray
    pairs: list[tuple[int, int]]
    difference: np.ndarray
    difference_low: np.ndarray
    difference_high: np.ndarray
    d_z: np.ndarray
    p: np.ndarray
    p_holm: np.ndarray
    resolution: float

    def sign(self, metric: int, first: int, second: int) -> int:
        """Return 1 where `first` is significantly above `second`, -1 where below, 0 elsewhere."""
        pair, turn = self._find(first, second)
        return 0 if self.p_holm[metric, pair] > LEVEL else turn * int(np.sign(self.difference[metric, pair]))

    def lead(self, metric: int, first: int, second: int) -> tuple[float, float, float]:
        """Return the difference first minus second, and its interval."""
        pair, turn = self._find(first, second)
        each = (self.difference, self.difference_low, self.difference_high)
        difference, low, high = (turn * float(values[metric, pair]) for values in each)
        return difference, min(low, high), max(low, high)

    def _find(self, first: int, second: int) -> tuple[int, int]:
        """Return the place of a pair, and -1 where it is the other way round."""
        if (first, second) in self.pairs:
            return self.pairs.index((first, second)), 1
        return self.pairs.index((second, first)), -1


# --------------------------------------------------------------------- families


def pair_rows(
    compare: str, rows: list[tuple[str, str]], ids: list[str], leaks: Collection[int] = ()
) -> list[tuple[int, int]]:
    """Return the pairs of rows that a column tests: with `id` each row and the id row of its backbone, else all pairs.

    rows: backbone and representation of each; ids: representations that are ids; leaks: rows whose text's writer saw
    held-out items, which make pairs among themselves alone. `best_other` tests all pairs too, because the same events
    decide which row is the best.
    """
    if compare != "id":
        return [pair for pair in combinations(range(len(rows)), 2) if (pair[0] in leaks) == (pair[1] in leaks)]
    return [(row, other[0]) for row, other in enumerate(find_rivals(compare, rows, ids, [], leaks)) if other]


def find_rivals(
    compare: str, rows: list[tuple[str, str]], ids: list[str], means: list[float], leaks: Collection[int] = ()
) -> list[list[int]]:
    """Return for each row the rows that its mark compares it with: the best other, its backbone's ids, or all.

    A row is compared with those alone that are in `leaks` as it is, or are not as it is not.
    """
    every = range(len(rows))
    others = [[r for r in every if r != row and (r in leaks) == (row in leaks)] for row in every]
    if compare == "best_other":
        return [[max(own, key=lambda r: means[r])] if own else [] for own in others]
    if compare == "each":
        return others
    base = {backbone: row for row, (backbone, name) in reversed(list(enumerate(rows))) if name in ids}
    return [[base[b]] if name not in ids and base.get(b) in own else [] for own, (b, name) in zip(others, rows)]


def find_leaks(split: tuple[str, str], methods: list[list], leaks: Collection[Row]) -> set[int]:
    """Return the places of the rows of a split that are among `leaks`."""
    return {place for place, method in enumerate(methods) if (*split, *method[:2]) in leaks}


# -------------------------------------------------------------------- inference


def assign_units(users: np.ndarray) -> np.ndarray:
    """Return the unit of each event, 0, 1, ...: one per user or, with more than UNITS users, one per block of users."""
    number = np.unique(users, return_inverse=True)[1]
    count = number.max() + 1
    return number if count <= UNITS else np.random.default_rng(SEED).permutation(count)[number] % UNITS


def bootstrap(sums: np.ndarray, sizes: np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """Return the mean of each column in `draws` samples of as many units, drawn with replacement: (draws, columns).

    sums: (units, columns); sizes: (units,).
    """
    random, count = np.random.default_rng(SEED), len(sizes)
    whole = np.column_stack([sums, sizes])
    totals = np.empty((draws, whole.shape[1]))
    for start in range(0, draws, step := max(1, CHUNK // count)):
        rows = min(step, draws - start)
        samples_of_units = random.integers(count, size=(rows, count), dtype=np.int32) + count * np.arange(rows)[:, None]
        weights = np.bincount(samples_of_units.ravel(), minlength=rows * count).reshape(rows, count)
        totals[start : start + rows] = weights.astype(float) @ whole
    return totals[:, :-1] / totals[:, -1:]


def permute(sums: np.ndarray, pairs: list[tuple[int, int]], flips: int = DRAWS) -> tuple[np.ndarray, float]:
    """Return two-sided p of differences by sign flips of units, (metrics, pairs), and the smallest possible p.

    sums: (units, metrics, rows). Where there are at most `flips` sign flips in all, every one is counted; else p is
    (1 + number of random flips at least as large) / `flips`, over `flips` - 1 random flips.
    """
    count, metrics, rows = sums.shape
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    exact = 2**count <= flips
    kind, rounding = (np.float64, 1e-10) if exact else (np.float32, 1e-5)
    # what rows share is in no difference
    flat = (sums - sums.mean(2, keepdims=True)).reshape(count, -1).astype(kind)

    def gaps(sum_of_rows):
        sum_of_rows = sum_of_rows.reshape(-1, metrics, rows)
        return np.abs(sum_of_rows[..., first] - sum_of_rows[..., second])

    norm = np.linalg.norm(flat, axis=0).reshape(metrics, rows)
    # equal but for rounding is as large
    threshold = gaps(flat.sum(0, dtype=np.float64))[0] - rounding * (norm[:, first] + norm[:, second])
    threshold = threshold.astype(kind)
    random, samples_of_units = np.random.default_rng(SEED), 2**count if exact else flips - 1
    larger = np.zeros(threshold.shape, dtype=np.int64)
    for start in range(0, samples_of_units, step := max(1, min(CHUNK // count, CHUNK // max(1, threshold.size)))):
        number = min(step, samples_of_units - start)
        if exact:
            bits = np.arange(start, start + number)[:, None] >> np.arange(count) & 1
        else:
            octets = np.frombuffer(random.bytes(number * -(-count // 8)), dtype=np.uint8).reshape(number, -1)
            bits = np.unpackbits(octets, axis=1, count=count).view(np.int8)
        larger += (gaps((2 * bits - 1).astype(kind) @ flat) >= threshold).sum(0)
    return (larger / samples_of_units, 2 / samples_of_units) if exact else ((1 + larger) / flips, 1 / flips)


def adjust_holm(p: np.ndarray) -> np.ndarray:
    """Return the p of a family adjusted by Holm's steps."""
    order = np.argsort(p, kind="stable")
    p_holm = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]).clip(max=1)
    return p_holm[np.argsort(order, kind="stable")]


def judge(
    sample: Sample, pairs: list[tuple[int, int]], tested: int | None = None, leaks: Collection[int] = ()
) -> Evidence:
    """Return the evidence of a panel, with p adjusted within each of the first `tested` metrics, by default of all.

    leaks: rows whose pairs are a family of their own.
    """
    sums, sizes = sample.sums, sample.sizes
    count, metrics, rows = sums.shape
    events = int(sizes.sum())
    samples_of_units = bootstrap(sums.reshape(count, -1), sizes, DRAWS).reshape(-1, metrics, rows)
    low, high = (
        np.quantile(samples_of_units, [0.025, 0.975], axis=0) if count > 1 else np.full((2, metrics, rows), np.nan)
    )
    sums = sums[:, :tested]
    means, metrics = sums.sum(0) / events, sums.shape[1]
    apart = np.empty((2, metrics, len(pairs)))
    for metric, (place, (row, other)) in product(range(metrics), enumerate(pairs)):
        apart[:, metric, place] = np.quantile(
            samples_of_units[:, metric, row] - samples_of_units[:, metric, other], [0.025, 0.975]
        )
    first, second = np.array(pairs, dtype=int).reshape(-1, 2).T
    difference = means[:, first] - means[:, second]
    rest = sums - means * sizes[:, None, None]
    products = np.einsum("umr,ums->mrs", rest, rest, optimize=True)
    own = products[:, first, first] + products[:, second, second]
    spread = own - 2 * products[:, first, second]
    spread[spread <= 1e-12 * own] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        d_z = difference / np.sqrt(spread / events * count / (count - 1))
    d_z[(difference == 0) & (spread == 0)] = 0
    d_z[~np.isfinite(d_z)] = np.nan
    p, resolution = permute(sums, pairs, max(DRAWS, MARGIN * len(pairs)))
    p_holm, leaky = np.empty_like(p), np.array([one in leaks for one, _ in pairs], dtype=bool)
    for family in (leaky, ~leaky):
        p_holm[:, family] = [adjust_holm(row) for row in p[:, family]]
    return Evidence(events, low, high, sample.sd, pairs, difference, apart[0], apart[1], d_z, p, p_holm, resolution)


# ------------------------------------------------------------------------ ranks


def collect_evidence(
    spec: dict, inputs: Mapping[str, Sequence[Path]], leaks: Collection[Row] = ()
) -> dict[Panel, Evidence]:
    """Return the evidence of each (dataset, protocol, ranking, group) of a table.

    `spec` as of `tables.build`; inputs: `ranks`, a file for each seed of each of its cells, and `groups` of each split,
    in order; where metrics of lists are shown also `lists` of each cell, and of each split `train` and the `vectors`
    that Diversity needs. leaks: rows whose text's writer saw held-out items, which are compared among themselves.
    """
    splits: dict[tuple[str, str], list[list]] = {}
    result: dict[Panel, Evidence] = {}
    metrics, tested = metrics_of_events(spec["metrics"]), len(metrics_of_ranks(spec["metrics"]))
    files = zip(inputs["ranks"], inputs.get("lists") or repeat(None))
    sources = zip(inputs["groups"], inputs.get("train") or repeat(None), inputs.get("vectors") or repeat(None))
    for dataset, protocol, *method in spec["cells"]:
        splits.setdefault((dataset, protocol), []).append(method)
    for (split, methods), (members, train, vectors) in zip(splits.items(), sources):
        paths = [next(files) for *_, seeds in methods for _ in seeds]
        read = partial(read_values, metrics=metrics, rankings=spec["rankings"], train=train, vectors=vectors)
        leaky = find_leaks(split, methods, leaks)
        pairs = pair_rows(spec["compare"], [tuple(method[:2]) for method in methods], spec["ids"], leaky)
        panels = collect_samples(methods, metrics, spec["rankings"], (spec["groups"], members), paths, read)
        result |= {split + panel: judge(sample, pairs, tested, leaky) for panel, sample in panels.items()}
    return result


def read_values(
    ranks: Path, lists: Path | None, metrics: list[str], rankings: list[str], train: Path | None, vectors: Path | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return RANKS of `rankings`, and the metrics of each event, those of lists beside those of ranks."""
    frame = read_table(ranks, RANKS).filter(pl.col("ranking").is_in(rankings))
    each = event_values(frame, sorted({int(m.split("@")[1]) for m in metrics}))
    if lists is None or train is None:
        return frame, each
    ks = sorted({int(m.split("@")[1]) for m in metrics if is_of_lists(m)})
    of_lists = measure_events(
        read_table(lists, LISTS), ks, read_table(train, TRAIN), read_vectors(vectors) if vectors else None
    )
    whole = each.join(of_lists, on=["ranking", "event"], how="left", maintain_order="left")
    if (lacking := whole.filter(pl.col(f"Novelty@{ks[0]}").is_null())).height:
        raise InputError(
            f"{lists}: event {lacking['event'][0]} has no list, but ranks; make the lists of this cell again"
        )
    return frame, whole


def collect_samples(
    methods: list[list], metrics: list[str], rankings: list[str], groups, cells: list, read: Callable
) -> dict:
    """Return the sample of each (ranking, group) of one split, read one cell at a time.

    methods: [backbone, representation, seeds]; metrics: columns of what `read` returns; groups: their names, and the
    file of their events; cells: the files that `read` takes of each seed of each method, ranks first, in order. A
    ranking or group without events has no sample. Raises InputError for a cell that ranked other events than the first.
    """
    names, members = groups[0], read_table(groups[1], GROUPS)
    files = iter(cells)
    events, result = {}, {}
    for row, (_, _, seeds) in enumerate(methods):
        values: dict[str, np.ndarray] = {}
        for _ in seeds:
            paths = next(files)
            frame, each = read(*paths)
            for ranking in rankings:
                part = each.filter(pl.col("ranking") == ranking)
                if part.is_empty():
                    continue
                if ranking not in events:
                    users = frame.filter(pl.col("ranking") == ranking).unique("event").sort("event")["user"].to_numpy()
                    events[ranking] = part["event"], assign_units(users)
                if not events[ranking][0].equals(part["event"]):
                    raise InputError(
                        f"{paths[0]}: ranking {ranking!r} is of other events than {cells[0][0]}; rank both cells again"
                    )
                values[ranking] = values.get(ranking, 0) + part.select(metrics).to_numpy() / len(seeds)
        for ranking, group in product(values, names):
            numbers, unit = events[ranking]
            if group == OVERALL:
                inside = np.ones(len(unit), dtype=bool)
            else:
                inside = numbers.is_in(members.filter(group=group)["event"].implode()).to_numpy()
            if not inside.any():
                continue
            if (ranking, group) not in result:
                present, place = np.unique(unit[inside], return_inverse=True)
                shape = len(metrics), len(methods)
                sample = Sample(np.zeros((len(present), *shape)), np.bincount(place).astype(float), np.zeros(shape))
                result[ranking, group] = inside, place, sample
            inside, place, sample = result[ranking, group]
            for metric, column in enumerate(values[ranking][inside].T):
                sample.sums[:, metric, row] = np.bincount(place, weights=column)
                sample.sd[metric, row] = column.std(ddof=1) if len(column) > 1 else 0
    return {key: sample for key, (_, _, sample) in result.items()}
