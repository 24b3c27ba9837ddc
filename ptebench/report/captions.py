"""What stands below a panel's heading: how many test events, what of them never trained, what they rank, of whom."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ptebench.files import GROUPS, RANKS, TRAIN, read_json, read_table, read_vectors
from ptebench.report.metrics import OVERALL
from ptebench.report.rendering import heading

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def sample(record: dict[str, Any]) -> str:
    """Return of how many users a dataset is a sample, by the record of its interactions; "" where all stayed."""
    users, before = (record["notes"].get(name, 0) for name in ("users", "users_before_draw"))
    return f"a seeded sample, {users:,} of {before:,} users" if users < before else ""


def write_captions(
    spec: dict[str, Any],
    ranks: Sequence[Path],
    groups: Sequence[Path],
    train: Sequence[Path],
    data: Sequence[Path],
    texts: Sequence[Path] = (),
) -> dict[str, str]:
    """Return the caption of each panel of a table that has events, by its heading.

    `spec` as of `tables.build`; ranks: a file for each seed of each of its cells, groups and train: of each split;
    data: the records of datasets, each in the folder of its name; texts: the vectors of each of its supplied texts.
    """
    owners: dict[tuple[str, str], list[tuple[str, str, Mask]]] = {}
    for (dataset, protocol, text, side), path in zip(spec.get("texts", []), texts, strict=True):
        if not (there := read_vectors(path).any(1))[1:].all():
            owners.setdefault((dataset, protocol), []).append((text, side, there))
    samples = {path.parent.name: sample(read_json(path)) for path in data}
    files, first = iter(ranks), dict[tuple[str, str], Path]()
    for dataset, protocol, *_, seeds in spec["cells"]:
        paths = [next(files) for _ in seeds]
        first.setdefault((dataset, protocol), paths[0])  # all cells of a split rank the same candidates
    captions = {}
    for (split, path), members, histories in zip(first.items(), groups, train, strict=True):
        events, of_groups = read_table(path, RANKS), read_table(members, GROUPS)
        items = read_table(histories, TRAIN)["history"].explode().drop_nulls().unique()
        events = events.with_columns(new=~pl.col("target").is_in(items.implode()))
        for ranking, group in product(spec["rankings"], spec["groups"]):
            part = events.filter(ranking=ranking)
            if group != OVERALL:
                part = part.filter(pl.col("event").is_in(of_groups.filter(group=group)["event"].implode()))
            if part.height:
                what = _caption(part, spec["protocols"][split[1]]) + [samples[split[0]]]
                what += [_gaps(part, *one) for one in owners.get(split, [])]
                captions[heading(*split, ranking, group)] = "; ".join(filter(None, what)) + "."
    return captions


def _caption(events: pl.DataFrame, protocol: dict[str, Any]) -> list[str]:
    """Return the parts of the caption of RANKS of one panel, with a column `new` for targets that never trained."""
    number, new = events["event"].n_unique(), 100 * events["new"].to_numpy().mean()
    sizes = events["candidates"].to_numpy()
    span = " to ".join(f"{size:,}" for size in dict.fromkeys((int(sizes.min()), int(sizes.max()))))
    parts = [f"{number:,} test event{'s' * (number > 1)}, {new:.1f} % of their targets never trained"]
    parts += [f"cut at {cut}"] if (cut := _cut(protocol)) else []
    history = "seen items left out" if protocol["remove_seen"] else "seen items among them"
    return [*parts, f"{span} candidates each, {history}"]


def _gaps(events: pl.DataFrame, text: str, side: str, there: Mask) -> str:
    """Return of how many owners a supplied text is, and of what share of RANKS of one panel; there: by dense id."""
    read = events["target"] if side == "item" else events.unique("event")["user"]
    what = "targets" if side == "item" else "test events"
    share = f"{there[read].sum():,} of {len(read):,} {what}"
    return f"texts of {text}: {there.sum():,} of {len(there) - 1:,} {side}s, {share}"


def _cut(protocol: dict[str, Any]) -> str:
    """Return where a protocol parts time, nothing where it does not, or the publisher did."""
    cuts = protocol.get("cuts") or ([protocol["cut"]] if "cut" in protocol else [])
    each = [f"{100 * cut:g} % of the interactions" if isinstance(cut, float) else str(cut) for cut in cuts]
    return ", ".join(each)
