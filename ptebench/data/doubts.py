"""What of a dataset looks wrong although nothing fails: sentences that the terminal shows."""

from typing import Any

import polars as pl

from ptebench.files import ITEMS

BARE = 0.2  # share of the items without a card from which on it is told


def doubts(texts: pl.DataFrame, items: pl.DataFrame, counts: dict[str, int], settings: dict[str, Any]) -> list[str]:
    """Return what looks wrong: items without a card, rows of one item that differ, fewer users than asked for.

    texts: ITEMS as the items file has them. items: those of the dataset, with the `counts` of `prepare` and
    `collect_items`.
    """
    sentences = [bare_items(texts, items), differing_rows(texts, items)]
    if (settings.get("users") or 0) > (users := counts["users_before_draw"]):
        sentences.append(
            f"users: {settings['users']:,} are to be drawn, and {users:,} are left by the filters: all stay"
        )
    return [sentence for sentence in sentences if sentence]


def bare_items(texts: pl.DataFrame, items: pl.DataFrame) -> str:
    """Return how many items have no card, where they are many although there is an items file; else nothing."""
    bare = items.filter(pl.col("card") == "")
    if not texts.height or bare.height < BARE * items.height:
        return ""
    absent = bare.join(texts, on="item_id", how="anti").height
    mend = (
        "see whether user_id and item_id name each other's column, and whether both files write ids alike"
        if 2 * absent >= bare.height
        else "see whether item_columns name its columns of text"
    )
    of_these = f"{bare.height:,} of {items.height:,} items have no card, such as {bare['item_id'][0]!r}"
    return f"items: {of_these}; {absent:,} have no row in the items file: {mend}"


def differing_rows(texts: pl.DataFrame, items: pl.DataFrame) -> str:
    """Return how many items have rows that differ in the items file, and in which columns; else nothing."""
    rows = texts.filter(pl.col("item_id").is_duplicated()).join(items, on="item_id", how="semi")
    columns = [name for name in ITEMS if name != "item_id"]
    text = pl.col("categories").list.join("\n")
    differ = rows.with_columns(text).group_by("item_id").agg(pl.col(columns).n_unique() > 1)
    names = [name for name in columns if differ[name].any()]
    differ = differ.filter(pl.any_horizontal(columns)).sort("item_id")
    if not differ.height:
        return ""
    where = ", ".join(name for name in names if name != "card") or "the card"
    return (
        f"items: {differ.height:,} items have several rows that differ in {where}, such as {differ['item_id'][0]!r}; "
        "the first row of each counts: see whether item_columns name columns that say something of an item"
    )
