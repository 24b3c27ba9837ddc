"""Amazon reviews, 2018 release: JSON lines of reviews, and of item metadata where there is a file of it."""

from pathlib import Path

import polars as pl
from ptebench.data.items import clean, complete, none
from ptebench.data.raw import Malformed, json_lines
from ptebench.files import INTERACTIONS

REVIEW = {"reviewerID": pl.String, "asin": pl.String, "overall": pl.Float64, "unixReviewTime": pl.Int64}
METADATA = {
    "asin": pl.String, "title": pl.String, "brand": pl.String, "category": pl.List(pl.String),
    "feature": pl.List(pl.String), "description": pl.List(pl.String), "price": pl.String,
}  # fmt: skip
LABELS = {
    "title": "Title", "brand": "Brand", "categories": "Categories", "feature": "Features",
    "description": "Description", "price": "Price",
}  # fmt: skip
# the release holds pieces of the page's markup and scripts where its crawler failed
BROKEN = r"^\s*<|getTime\(|</?[a-z]+[ >]"
PRICE = r"^\$[\d,.]+( - \$[\d,.]+)?$"


def read(paths: dict[str, list[Path]], settings: dict) -> tuple[pl.DataFrame, pl.DataFrame, dict]:
    """Return interactions, items and counts; without a metadata file there are no item texts."""
    malformed = Malformed(settings["max_bad_rows"])
    reviews = pl.concat(json_lines(paths["reviews"][0], REVIEW, list(REVIEW), malformed))
    interactions = (
        reviews.rename({"reviewerID": "user_id", "asin": "item_id", "unixReviewTime": "timestamp", "overall": "rating"})
        .with_row_index("row")
        .with_columns(pl.col("row").cast(pl.Int64), part=pl.lit(None, pl.String))
        .select(*INTERACTIONS)
    )
    if "metadata" not in paths:
        return interactions, none(), {"malformed_lines": malformed.count}
    # texts of items that nobody reviewed are counted by what follows, but not worth cleaning
    reviewed = interactions["item_id"].unique().implode()
    frames = []
    for block in json_lines(paths["metadata"][0], METADATA, ["asin"], malformed):
        wanted = pl.col("asin").is_in(reviewed)
        frames += [_items(block.filter(wanted)), complete(block.filter(~wanted).select(item_id="asin"))]
    items = pl.concat(frames)
    untitled = items.filter(pl.col("item_id").is_in(reviewed) & pl.col("title").is_null())["item_id"].n_unique()
    return interactions, items, {"unusable_titles": untitled, "malformed_lines": malformed.count}


def _items(block: pl.DataFrame) -> pl.DataFrame:
    """Return metadata as ITEMS; an unusable title or price is null."""
    title, price = pl.col("title"), pl.col("price").str.strip_chars()
    return complete(
        block.select(
            pl.col("asin").alias("item_id"),
            title=clean(pl.when(~title.str.contains(BROKEN)).then(title)),
            brand=clean(pl.col("brand")).str.strip_prefix("by "),
            categories=pl.col("category").list.eval(clean(pl.element()).drop_nulls()),
            feature=clean(pl.col("feature").list.join(" ")),
            description=clean(pl.col("description").list.join(" ")),
            price=pl.when(price.str.contains(PRICE)).then(price),
        ),
        LABELS,
    )
