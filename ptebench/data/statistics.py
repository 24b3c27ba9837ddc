"""Statistics of a dataset, compared with published counts."""

from pathlib import Path

import numpy as np
import polars as pl

from ptebench.files import InputError, read_table

STATISTICS = {
    "dataset": pl.String, "statistic": pl.String, "value": pl.Float64, "published": pl.Float64,
    "verdict": pl.String, "source": pl.String,
}  # fmt: skip
PUBLISHED = {"dataset": pl.String, "statistic": pl.String, "value": pl.Float64, "source": pl.String}
LAST = 11  # the cut of the cold-start-user split that is published


def _sparsity(pairs: int, users: int, items: int) -> float:
    """Return the percentage of user-item pairs without an interaction, to the three decimals that are published."""
    return round(100 * (1 - pairs / (users * items)), 3)


def _gini(counts: pl.Series) -> float:
    """Return the Gini coefficient: 0 where all counts are equal, near 1 where one item has all interactions."""
    ascending = counts.sort().cast(pl.Float64)
    share = ascending.cum_sum() / ascending.sum()
    return round(float((len(counts) + 1 - 2 * share.sum()) / len(counts)), 4)


def describe(interactions: pl.DataFrame, items: pl.DataFrame) -> dict[str, float]:
    """Return statistic -> value of a dataset; items without interactions count only in the statistics of cards.

    With the publisher's parts, there are also the users of each part; if train and test share users (snapshots), also
    items, interactions and sparsity of each part and the number of common items. Sparsity counts distinct pairs.
    """
    pairs = interactions.select("user_id", "item_id").unique()
    length = interactions.group_by("user_id").len()["len"].to_numpy()
    users, interacted = len(length), interactions["item_id"].n_unique()
    value = {
        "users": users,
        "items": interacted,
        "interactions": interactions.height,
        "distinct_pairs": pairs.height,
        "sparsity_percent": _sparsity(pairs.height, users, interacted),
        "interactions_per_user_mean": round(float(length.mean()), 4),
        "interactions_per_user_median": float(np.median(length)),
        "interactions_per_item_mean": round(interactions.height / interacted, 4),
        "item_gini": _gini(interactions.group_by("item_id").len()["len"]),
        "repeats_percent": round(100 * (1 - pairs.height / interactions.height), 3),
        f"interactions_last_{LAST}": int(length.clip(max=LAST).sum()),
        "items_with_card": items.filter(pl.col("card") != "").height,
        "card_characters_mean": round(items.select(pl.col("card").str.len_chars().mean()).item(), 1),
    }
    if interactions["timestamp"].null_count() < interactions.height:
        with_time = interactions.filter(pl.col("timestamp").is_not_null())
        step = with_time.filter(pl.col("user_id") == pl.col("user_id").shift())
        tied = with_time.filter(
            (pl.col("user_id") == pl.col("user_id").shift()) & (pl.col("timestamp") == pl.col("timestamp").shift())
        ).height
        value |= {
            "first_timestamp": with_time.select(pl.col("timestamp").min()).item(),
            "last_timestamp": with_time.select(pl.col("timestamp").max()).item(),
            "tied_transitions_percent": round(100 * tied / max(step.height, 1), 3),
        }
    parts = {p: interactions.filter(pl.col("part") == p) for p in ("train", "valid", "test")}
    users_of = {p: set(frame["user_id"]) for p, frame in parts.items() if frame.height}
    for part, people in users_of.items():
        value[f"{part}_users"] = len(people)
    if {"train", "test"} <= set(users_of) and users_of["train"] & users_of["test"]:
        catalogues = {part: set(parts[part]["item_id"]) for part in ("train", "test")}
        for part, catalogue in catalogues.items():
            count = parts[part].select("user_id", "item_id").unique().height
            value[f"{part}_items"] = len(catalogue)
            value[f"{part}_interactions"] = parts[part].height
            value[f"{part}_sparsity_percent"] = _sparsity(count, users, len(catalogue))
        value["overlap_items"] = len(catalogues["train"] & catalogues["test"])
    return value


def compare(dataset: str, values: dict[str, float], published_counts: pl.DataFrame, key: str | None) -> pl.DataFrame:
    """Return a STATISTICS frame: each value, the published value of `key` where there is one, and the verdict.

    Raises InputError for a published statistic that this dataset does not have.
    """
    beside = published_counts.filter(pl.col("dataset").eq_missing(pl.lit(key))).select(
        "statistic", published="value", source="source"
    )
    if unknown := set(beside["statistic"]) - set(values):
        raise InputError(
            f"datasets.{dataset}.published: {key!r} has a published {sorted(unknown)[0]!r}, which this dataset's "
            "source does not yield; is it the right key?"
        )
    frame = pl.DataFrame({"statistic": list(values), "value": [float(v) for v in values.values()]})
    same = pl.col("value") == pl.col("published")
    return (
        frame.join(beside, on="statistic", how="left", maintain_order="left")
        .with_columns(
            dataset=pl.lit(dataset),
            verdict=pl.when(pl.col("published").is_null())
            .then(pl.lit("no published value"))
            .otherwise(pl.when(same).then(pl.lit("equal")).otherwise(pl.lit("differs"))),
        )
        .select(*STATISTICS)
    )


def read_published(path: Path) -> pl.DataFrame:
    """Read the published counts; raise InputError for a value that stands there twice."""
    frame = read_table(path, PUBLISHED)
    twice = frame.filter(pl.struct("dataset", "statistic").is_duplicated())
    if twice.height:
        raise InputError(f"{path}: {twice['dataset'][0]}, {twice['statistic'][0]}: given twice; keep one")
    return frame
