"""Yelp open dataset: JSON lines of reviews and of businesses."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ptebench.data.interactions import SOUND, moment
from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete
from ptebench.data.reading import Reading
from ptebench.raw.lines import Malformed
from ptebench.raw.objects import json_lines

REVIEW = {"user_id": pl.String, "business_id": pl.String, "stars": pl.Float64, "date": pl.String}
BUSINESS = {
    "business_id": pl.String, "name": pl.String, "categories": pl.List(pl.String), "city": pl.String,
    "state": pl.String,
}  # fmt: skip
# not review_count, stars and is_open: they are of the day of the release and know of every test event
LABELS = {"title": "Name", "categories": "Categories", "place": "City"}


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts."""
    malformed = Malformed(settings["max_bad_rows"])
    interactions = complete_interactions(_reviews(paths["reviews"][0], malformed))
    items = pl.concat(
        _items(block) for block in json_lines(paths["businesses"][0], BUSINESS, ["business_id"], malformed)
    )
    return Reading(interactions, items, malformed)


def _reviews(path: Path, malformed: Malformed) -> Iterator[pl.DataFrame]:
    for block in json_lines(path, REVIEW, list(REVIEW), malformed):
        block = block.select(
            "line", "text", "user_id", item_id="business_id", rating="stars",
            timestamp=moment(pl.col("date")),  # early editions give the day alone
        )  # fmt: skip
        expected = "ids in user_id and business_id, a number as stars, a date since 1970 such as 2012-01-03 15:28:18"
        yield malformed.keep(path, block, SOUND, expected).drop("line", "text")


def _items(block: pl.DataFrame) -> pl.DataFrame:
    """Return businesses as ITEMS; categories are one text, in early editions a list."""
    categories = pl.col("categories").list.join(", ").str.split(", ")
    return complete(
        block.select(
            item_id="business_id",
            title=clean(pl.col("name")),
            categories=categories.list.eval(clean(pl.element()).drop_nulls()),
            place=clean(pl.concat_str("city", "state", separator=", ", ignore_nulls=True)),
        ),
        LABELS,
    )
