"""MIND: behaviors.tsv (clicks, and the click history of each user) and news.tsv."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete
from ptebench.data.reading import Reading
from ptebench.files import IMPRESSIONS
from ptebench.raw.columns import present
from ptebench.raw.lines import Malformed, lines

BEHAVIOR = ["impression", "user_id", "time", "history", "shown"]
NEWS = ["item_id", "category", "subcategory", "title", "abstract", "url", "title_entities", "abstract_entities"]
SHOWN = r"^\S+-[01]( \S+-[01])*$"
LABELS = {"title": "Title", "categories": "Categories", "description": "Abstract"}


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts, with `impressions` also IMPRESSIONS of all users.

    A click on a shown news item is an interaction at the time of its impression. With `history`, the history of
    a user's first impression counts too: the publisher gives its order but no times, and collected it before the
    impressions, so its items stand at consecutive seconds before the first impression of all files.
    """
    malformed = Malformed(settings["max_bad_rows"])
    frame = pl.concat(
        block.with_columns(file=pl.lit(number))
        for number, path in enumerate(paths["behaviors"])
        for block in _behaviors(path, malformed)
    )
    clicks = (
        frame.select("file", "line", "user_id", "timestamp", item_id=pl.col("shown").str.split(" "))
        .explode("item_id")
        .filter(pl.col("item_id").str.ends_with("-1"))
        .with_columns(pl.col("item_id").str.strip_suffix("-1"))
    )
    parts = [clicks]
    if settings["history"] and frame.height:
        history = (
            frame.sort("timestamp", maintain_order=True)
            .unique("user_id", keep="first", maintain_order=True)
            .select("file", "line", "user_id", item_id=pl.col("history").str.strip_chars().str.split(" "))
            .with_columns(place=pl.int_ranges(pl.col("item_id").list.len(), 0, -1))
            .explode("item_id", "place")
            .filter(pl.col("item_id") != "")
        )
        start = frame["timestamp"].min()
        parts.insert(0, history.select(*clicks.columns[:3], timestamp=start - pl.col("place"), item_id="item_id"))
    interactions = complete_interactions([pl.concat(parts).sort("file", "line", maintain_order=True)])
    news = pl.concat(
        malformed.keep(
            path, block.with_columns(present(pl.col("item_id"))), pl.col("item_id").is_not_null(), "an id of the news"
        )
        for path in paths["news"]
        for block in _fields(path, NEWS, malformed)
    )
    items = news.with_columns(
        clean(pl.col("title")),
        categories=pl.concat_list("category", "subcategory").list.eval(clean(pl.element()).drop_nulls()),
        description=clean(pl.col("abstract")),
    )
    impressions = _impressions(frame) if settings["impressions"] else None
    return Reading(interactions, complete(items, LABELS), malformed, impressions)


def _impressions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return what each row of the behaviors shows, an item once, in the order of the files."""
    impressions, is_click = pl.col("shown").str.split(" "), pl.element().str.ends_with("-1")
    return frame.select(
        "user_id",
        "timestamp",
        impressions.list.eval(pl.element().str.head(-2).unique(maintain_order=True)),
        clicked=impressions.list.eval(pl.element().filter(is_click).str.head(-2).unique(maintain_order=True)),
    ).select(*IMPRESSIONS)


def _behaviors(path: Path, malformed: Malformed) -> Iterator[pl.DataFrame]:
    for block in _fields(path, BEHAVIOR, malformed):
        time = pl.col("time").str.to_datetime("%m/%d/%Y %I:%M:%S %p", strict=False)
        block = block.with_columns(present(pl.col("user_id")), timestamp=time.dt.epoch("s"))
        whole = pl.col("timestamp").is_not_null() & pl.col("user_id").is_not_null()
        block = malformed.keep(path, block, whole, "a user and a time such as 11/12/2019 2:14:46 PM")
        # the publisher's test files show news without labels; nothing can be learnt or judged from them
        whole = pl.col("shown").str.contains(SHOWN)
        yield malformed.keep(path, block, whole, "shown news with labels, such as N1-0 N3-1").drop("text")


def _fields(path: Path, names: list[str], malformed: Malformed):
    """Yield blocks of a file without header as frames of line, text and the tab-separated fields."""
    for block in lines(path):
        fields = block["text"].str.split("\t")
        expected = f"{len(names)} fields separated by tabs ({', '.join(names)})"
        block = block.with_columns(fields.alias("@fields"))
        block = malformed.keep(path, block, pl.col("@fields").list.len() == len(names), expected)
        yield block.with_columns(pl.col("@fields").list.get(n).alias(name) for n, name in enumerate(names))
