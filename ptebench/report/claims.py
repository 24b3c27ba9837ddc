"""What a table was expected to show, held against what it shows: a sentence a claim, with its interval.

A claim holds where a row's 95 % interval over events says so: of the difference to another row above zero, or of its
mean, from below, not above what a random order of the candidates has.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from ptebench.files import GROUPS, LEAK, RANKS, read_table
from ptebench.report.metrics import OVERALL
from ptebench.report.rendering import question


def chance(ranks: pl.DataFrame, ranking: str, members: pl.Series | None, k: int) -> float:
    """Return the mean Recall@k of a random order, over the events of a ranking, or those of a group (`members`)."""
    events = ranks.filter(pl.col("ranking") == ranking).unique("event")
    if members is not None:
        events = events.filter(pl.col("event").is_in(members.implode()))
    return float((k / events["candidates"]).clip(upper_bound=1).to_numpy().mean())


def check_claims(
    spec: dict[str, Any],
    table: pl.DataFrame,
    comparisons: pl.DataFrame,
    ranks: Sequence[Path],
    groups: Sequence[Path],
) -> list[str]:
    """Return a sentence for each claim of a table on each of its splits, also where a row of it failed.

    table, comparisons: of `tables.build` and `tables.build_comparisons`; ranks, groups: the files of the table's job.
    """
    files, first = (
        iter(ranks),
        dict[tuple[str, str], Path](),
    )  # a file of ranks for each split, all of which rank the same candidates
    for dataset, protocol, *_, seeds in spec["cells"]:
        paths = [next(files) for _ in seeds]
        first.setdefault((dataset, protocol), paths[0])
    failed = {(f["dataset"], f["protocol"], f"{f['backbone']}.{f['representation']}") for f in spec.get("failed", [])}
    sentences = []
    for claim in spec["claims"]:
        for split, members in zip(first, groups, strict=True):
            where = f"{claim['metric']} of {split[0]}, {question(split[1], claim['ranking'], claim['group'])}"
            if lost := [name for name in (claim["row"], claim["above"]) if (*split, name) in failed]:
                text = f"{' and '.join(lost)} failed ({where}): {claim['because']}."
                sentences.append(f"As expected: not known. {text}")
                continue
            panel = dict(zip(("dataset", "protocol"), split)) | {key: claim[key] for key in ("ranking", "group")}
            name, k = claim["metric"].split("@")
            at = panel | {"metric": name, "k": int(k)}
            value = _row(table.filter(**at), claim["row"])
            if value is None:
                continue  # the split has no event of this ranking and group
            if claim["above"] is None:
                holds, text = _against_chance(claim, value, read_table(first[split], RANKS), members)
            else:
                pair = _difference(comparisons.filter(**at), claim["row"], claim["above"])
                if pair is None:
                    text = f"{claim['row']} and {claim['above']} are not compared, since one of them {LEAK}"
                    sentences.append(f"As expected: not known. {text} ({where}): {claim['because']}.")
                    continue
                difference, low, high = pair
                holds = low > 0
                text = f"is above {claim['above']} by {_span(difference, low, high)}"
                if not holds:
                    text = text.replace("above", "not above", 1).replace(" by ", ": ")
            verdict = "yes" if holds else "no"
            sentences.append(f"As expected: {verdict}. {claim['row']} {text} ({where}): {claim['because']}.")
    return sentences


def _against_chance(
    claim: dict[str, Any], value: dict[str, Any], ranks: pl.DataFrame, groups: Path
) -> tuple[bool, str]:
    """Return whether a row is no better than a random order, and the figures of both."""
    members = None
    if claim["group"] != OVERALL:
        members = read_table(groups, GROUPS).filter(group=claim["group"])["event"]
    floor = chance(ranks, claim["ranking"], members, int(claim["metric"].split("@")[1]))
    span = _span(value["mean"], value["low"], value["high"])
    return value["low"] <= floor, f"is at {span}, a random order at {floor:.4f}"


def _row(panel: pl.DataFrame, name: str) -> dict[str, Any] | None:
    """Return a row of a column of a panel by its name, BACKBONE.REPRESENTATION."""
    named = panel.filter(pl.concat_str("backbone", "representation", separator=".") == name)
    return named.row(0, named=True) if named.height else None


def _difference(panel: pl.DataFrame, row: str, other: str) -> tuple[float, float, float] | None:
    """Return the mean difference of two rows, and its interval; None where they are not compared."""
    names = (("backbone", "representation"), ("other_backbone", "other_representation"))
    one, two = (pl.concat_str(*columns, separator=".") for columns in names)
    pairs = panel.filter(((one == row) & (two == other)) | ((one == other) & (two == row)))
    if pairs.is_empty():
        return None
    pair = pairs.row(0, named=True)
    if f"{pair['backbone']}.{pair['representation']}" == row:
        return pair["difference"], pair["low"], pair["high"]
    return -pair["difference"], -pair["high"], -pair["low"]


def _span(value: float, low: float, high: float) -> str:
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"
