"""The page of a row: values, settings, curves, ranks, groups, cost, and how it was made."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from ptebench.files import RANKS, read_table
from ptebench.report.metrics import OVERALL
from ptebench.report.site import drawing
from ptebench.report.site.results import Method, Results

BINS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # upper ends of the distribution of ranks


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting by its dotted name."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def settings(results: Results, method: Method) -> list[tuple[str, Any, Any, bool]]:
    """Return the settings of a row as (name, value, default, whether it is another), those first."""
    rows = []
    for part, own in results.parts(method).items():
        if part == "representation" and results.counter(method):
            continue
        defaults = dict(flat(results.settings["defaults"][part].get(own["kind"], {})))
        for name, value in flat(own):
            # a key of a mapping that is empty by default, such as columns, has none of its own
            known = "" if name == "kind" or defaults.get(name.rpartition(".")[0]) == {} else defaults.get(name, "required")
            rows.append((f"{part}.{name}", value, known, name != "kind" and value != known))
    return sorted(rows, key=lambda row: not row[3])


def neighbours(results: Results, method: Method) -> list[tuple[Method, list[tuple[str, Any, Any]]]]:
    """Return the rows of one dataset and protocol that share backbone or representation, and which settings differ."""
    own = dict(flat(results.parts(method)))
    found = []
    for other in results.methods:
        alike = other.backbone == method.backbone or other.representation == method.representation
        if other != method and other[:2] == method[:2] and alike and not results.counter(other):
            theirs = dict(flat(results.parts(other)))
            names = [name for name in {**own, **theirs} if own.get(name, "") != theirs.get(name, "")]
            found.append((other, [(name, own.get(name, ""), theirs.get(name, "")) for name in names]))
    return found


def curves(results: Results, method: Method) -> list[Markup]:
    """Return the drawings of loss and validation value over epochs, a line a seed."""
    lines: dict[str, dict[str, list[drawing.Point]]] = {"loss": {}, "value": {}}
    for seed in results.methods[method]:
        frame = pl.read_csv(results.root / f"{method.cell(seed)}/training.csv")
        for name in lines:
            if name in frame.columns and "epoch" in frame.columns:
                points = frame.select("epoch", pl.col(name).cast(pl.Float64, strict=False)).drop_nulls()
                lines[name][f"seed {seed}"] = [(float(x), y) for x, y in points.iter_rows() if np.isfinite(y)]
    validated = results.parts(method)["backbone"].get("selection", "value")
    names = {"loss": "training loss", "value": f"{validated} of validation"}
    drawn = [drawing.lines(lines[n], ("epoch", names[n]), f"{names[n]} of {method.name}") for n in lines if lines[n]]
    return [one for one in drawn if one]


def longest(results: Results, method: Method) -> int | None:
    """Return how long the lists of a row from elsewhere are, beyond which it has no order; None of other rows."""
    return int(results.parts(method)["backbone"]["k"]) if results.external(method) else None


def _short(end: int) -> str:
    return f"{end // 1000}k" if end % 1000 == 0 else str(end)


def ranks(results: Results, method: Method) -> tuple[Markup, list[dict[str, Any]]]:
    """Return the distribution of ranks over all seeds, drawn, and in numbers for each ranking."""
    seeds = results.methods[method]
    frame = pl.concat(read_table(results.root / f"{method.cell(s)}/ranks.parquet", RANKS) for s in seeds)
    most, longest_list = frame["candidates"].to_numpy().max(), longest(results, method)
    if longest_list:
        ends = [*(end for end in BINS if end < longest_list), longest_list]
        labels = [*(_short(end) for end in ends), f">{_short(longest_list)}"]
    else:
        ends = list(BINS)
        labels = [*(_short(end) for end in ends), f">{_short(ends[-1])}"][: sum(end < most for end in ends) + 1]
    shares: dict[str, dict[str, float]] = {}
    numbers = []
    for (ranking,), part in frame.group_by("ranking", maintain_order=True):
        values = part["rank"].to_numpy()
        counts = np.histogram(values, [0.0, *(end + 0.5 for end in ends), np.inf])[0] / len(values)
        for label, share in zip(labels, counts):
            shares.setdefault(label, {})[str(ranking)] = float(share)
        middle = [float(q) for q in np.quantile(values, (0.25, 0.5, 0.75))]
        candidates = part["candidates"].to_numpy()
        numbers.append({
            "ranking": ranking, "targets": len(values), "quartiles": middle, "fewest": int(candidates.min()),
            "most": int(candidates.max()), "chance": float((values > (candidates + 1) / 2).mean()),
            "listed": float((values <= longest_list).mean()) if longest_list else 1.0,
        })  # fmt: skip
    return drawing.bars(shares, ("rank of the target, up to", "share"), f"Ranks of {method.name}"), numbers


def groups(results: Results, method: Method) -> list[tuple[str, list[str], list[tuple[str, int, list[float]]]]]:
    """Return, by ranking, the names of metrics and each group's events and values, the mean over seeds.

    Those that the row's tables show come first.
    """
    frame = results.metrics(method)
    of_tables = [name for table in results.tables if table.shows(method) for name in table.spec["metrics"]]
    found = []
    for (ranking,), part in frame.group_by("ranking", maintain_order=True):
        every = [f"{m}@{k}" for m, k in part.select("metric", "k").unique(maintain_order=True).iter_rows()]
        names = [name for name in dict.fromkeys([*of_tables, *every]) if name in every]
        rows = []
        for (group,), own in part.group_by("group", maintain_order=True):
            means = own.group_by("metric", "k", maintain_order=True).agg(pl.col("value").mean())
            of = {f"{metric}@{k}": value for metric, k, value in means.iter_rows()}
            rows.append((str(group), int(own["events"][0]), [of[name] for name in names]))
        rows.sort(key=lambda row: row[0] != OVERALL)
        found.append((str(ranking), names, rows))
    return found


def cost(results: Results, method: Method) -> list[dict[str, Any]]:
    """Return what each cell took: to train, to rank, and all jobs behind it."""
    rows = []
    for seed in results.methods[method]:
        training, ranking = results.training(method, seed), results.ranking(method, seed)
        rows.append({
            "seed": seed, "training": training.seconds, "ranking": ranking.seconds,
            "behind": results.records.cost(ranking_path(method, seed)),
            "memory": training.data["peak_memory_mib"], "threads": training.data["threads"],
            "device": training.data.get("device", ""), "parameters": training.data.get("parameters"),
            "started": training.data["started"],
        })  # fmt: skip
    return rows


def ranking_path(method: Method, seed: int) -> str:
    return f"{method.cell(seed)}/ranks.parquet"
