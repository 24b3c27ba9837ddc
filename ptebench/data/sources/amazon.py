"""Amazon reviews, releases of 2014, 2018 and 2023: reviews or ratings alone, and item metadata."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ptebench.data.interactions import SOUND
from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete, none
from ptebench.data.reading import Reading
from ptebench.files import InputError
from ptebench.raw.columns import present
from ptebench.raw.lines import Malformed, lines
from ptebench.raw.objects import json_lines, literal_lines

EARLY = {"user_id": "reviewerID", "item_id": "asin", "rating": "overall", "timestamp": "unixReviewTime"}
REVIEW = {
    "2014": EARLY,
    "2018": EARLY,
    "2023": {"user_id": "user_id", "item_id": "parent_asin", "rating": "rating", "timestamp": "timestamp"},
}
KINDS = {"user_id": pl.String, "item_id": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
# the order of the fields in the files of ratings alone
RATING = {
    "2014": ["user_id", "item_id", "rating", "timestamp"],
    "2018": ["item_id", "user_id", "rating", "timestamp"],
    "2023": ["user_id", "item_id", "rating", "timestamp"],
}
HEADER = {"2023": "user_id,parent_asin,rating,timestamp"}
UNIT = {"2014": 1, "2018": 1, "2023": 1000}  # of timestamps, per second

TEXT, TEXTS = pl.String, pl.List(pl.String)
METADATA = {
    "2014": {
        "asin": TEXT, "title": TEXT, "brand": TEXT, "categories": pl.List(TEXTS), "description": TEXT,
        "price": pl.Float64,
    },
    "2018": {
        "asin": TEXT, "title": TEXT, "brand": TEXT, "category": TEXTS, "feature": TEXTS, "description": TEXTS,
        "price": TEXT,
    },
    "2023": {
        "parent_asin": TEXT, "title": TEXT, "store": TEXT, "main_category": TEXT, "categories": TEXTS,
        "features": TEXTS, "description": TEXTS, "price": TEXT,
    },
}  # fmt: skip
LABELS = {
    "title": "Title", "brand": "Brand", "categories": "Categories", "feature": "Features",
    "description": "Description", "price": "Price",
}  # fmt: skip
# the release of 2018 holds pieces of the page's markup and scripts where its crawler failed
BROKEN = r"^\s*<|getTime\(|</?[a-z]+[ >]"
PRICE = r"^\$[\d,.]+( - \$[\d,.]+)?$"


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts; without a metadata file there are no item texts."""
    malformed = Malformed(settings["max_bad_rows"])
    release = settings.get("release", "2018")  # which simulated files follow
    blocks = _reviews if "reviews" in paths else _ratings
    path = paths["reviews" if "reviews" in paths else "ratings"][0]
    interactions = complete_interactions(blocks(path, release, malformed))
    if "metadata" not in paths:
        return Reading(interactions, none(), malformed)
    # texts of items that nobody reviewed are counted by what follows, but not worth cleaning
    item_ids = (
        pl.concat(interactions).select(pl.col("item_id").unique().implode()).collect(engine="streaming").to_series()
    )
    read_lines = literal_lines if release == "2014" else json_lines
    item = REVIEW[release]["item_id"]
    frames = []
    for block in read_lines(paths["metadata"][0], METADATA[release], [item], malformed):
        has_review = pl.col(item).is_in(item_ids)
        frames += [_items(block.filter(has_review), release), complete(block.filter(~has_review).select(item_id=item))]
    items = pl.concat(frames)
    untitled = items.filter(pl.col("item_id").is_in(item_ids) & pl.col("title").is_null())["item_id"].n_unique()
    return Reading(interactions, items, malformed, notes={"unusable_titles": untitled})


def _reviews(path: Path, release: str, malformed: Malformed) -> Iterator[pl.DataFrame]:
    names = REVIEW[release]
    fields = {theirs: KINDS[ours] for ours, theirs in names.items()}
    expected = f"an id in {names['user_id']} and {names['item_id']}, a number as {names['rating']}, a time since 1970"
    for block in json_lines(path, fields, list(fields), malformed):
        block = block.rename({theirs: ours for ours, theirs in names.items()})
        block = block.with_columns(pl.col("timestamp") // UNIT[release])
        yield malformed.keep(path, block, SOUND, expected).select(*KINDS)


def _ratings(path: Path, release: str, malformed: Malformed) -> Iterator[pl.DataFrame]:
    names, header = RATING[release], HEADER.get(release)
    expected = f"{','.join(names)} as in the release of {release}, the item's id of ten characters"
    for number, block in enumerate(lines(path)):
        if number == 0 and header:
            if block["text"][0] != header:
                raise InputError(f"{path}: line {block['line'][0]}: expected the header {header}; check `release`")
            block = block[1:]
        # a fifth part is there only in a line of too many fields
        parts = pl.col("text").str.split_exact(",", 4).struct.rename_fields([*names, "more"])
        block = block.with_columns(parts.struct.unnest()).with_columns(
            present(pl.col(name)).cast(kind, strict=False) for name, kind in KINDS.items()
        )
        block = block.with_columns(pl.col("timestamp") // UNIT[release])
        # users' ids are longer or shorter: the check tells a release whose first two fields are the other way round
        whole = SOUND & pl.col("more").is_null() & pl.col("item_id").str.contains(r"^\w{10}$")
        yield malformed.keep(path, block, whole, expected).select(*KINDS)


def _items(block: pl.DataFrame, release: str) -> pl.DataFrame:
    """Return metadata as ITEMS; an unusable title or price is null."""
    columns = {"2014": _columns_2014, "2018": _columns_2018, "2023": _columns_2023}[release]()
    return complete(
        block.select(
            columns["item_id"].alias("item_id"),
            title=clean(columns["title"]),
            brand=clean(columns["brand"]).str.strip_prefix("by "),
            categories=columns["categories"].list.eval(clean(pl.element()).drop_nulls()),
            feature=clean(columns["feature"]),
            description=clean(columns["description"]),
            price=columns["price"],
        ),
        LABELS,
    )


def _columns_2014() -> dict[str, pl.Expr]:
    return {
        "item_id": pl.col("asin"), "title": pl.col("title"), "brand": pl.col("brand"),
        # an item lies on several paths through the tree of categories, which share their beginnings
        "categories": pl.col("categories").list.eval(pl.element().explode()).list.unique(maintain_order=True),
        "feature": pl.lit(None, pl.String), "description": pl.col("description"), "price": _dollars(pl.col("price")),
    }  # fmt: skip


def _columns_2018() -> dict[str, pl.Expr]:
    title, price = pl.col("title"), pl.col("price").str.strip_chars()
    return {
        "item_id": pl.col("asin"), "title": pl.when(~title.str.contains(BROKEN)).then(title), "brand": pl.col("brand"),
        "categories": pl.col("category"), "feature": pl.col("feature").list.join(" "),
        "description": pl.col("description").list.join(" "), "price": pl.when(price.str.contains(PRICE)).then(price),
    }  # fmt: skip


def _columns_2023() -> dict[str, pl.Expr]:
    return {
        "item_id": pl.col("parent_asin"), "title": pl.col("title"), "brand": pl.col("store"),
        "categories": pl.concat_list("main_category", pl.col("categories").fill_null(pl.lit([], TEXTS)))
        .list.drop_nulls().list.unique(maintain_order=True),
        "feature": pl.col("features").list.join(" "), "description": pl.col("description").list.join(" "),
        # a range or a dash stands where there is no one price
        "price": _dollars(pl.col("price").cast(pl.Float64, strict=False)),
    }  # fmt: skip


def _dollars(price: pl.Expr) -> pl.Expr:
    return pl.when(price > 0).then(pl.concat_str(pl.lit("$"), price.cast(pl.Decimal(12, 2), strict=False)))
