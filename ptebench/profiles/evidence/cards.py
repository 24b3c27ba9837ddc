"""The cards of items, as prompts show them."""

from dataclasses import dataclass

import polars as pl

from ptebench.files import InputError

WORDS = 20  # of an item's description that a prompt shows


@dataclass(frozen=True)
class Cards:
    """What a prompt shows of each item; every list has n + 1 entries, entry 0 stands for padding.

    Where the data have no title, the description's first words stand for it. An item without any text has an empty one,
    and no prompt shows it among others.
    """

    title: list[str]
    categories: list[list[str]]
    brand: list[str]
    description: list[str]

    def line(self, item: int) -> str:
        """Return an item in one line: title, categories, brand, the first words of the description."""
        parts = [self.title[item], " > ".join(self.categories[item]), self.brand[item], self.description[item]]
        return " | ".join(p for p in parts if p)

    def newest(self, history: list[int], count: int) -> list[int]:
        """Return the `count` newest items of a history that have a text: those that prompts show."""
        return [i for i in history if self.title[i]][-count:]


def clean(column: pl.Expr) -> pl.Expr:
    """Return a text column on one line each, null as the empty text, in lower case as answers are."""
    return column.fill_null("").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()


def first_words(text: pl.Expr) -> pl.Expr:
    """Return the first WORDS words of a text column."""
    return text.str.split(" ").list.head(WORDS).list.join(" ")


def cards_of(items: pl.DataFrame, vocabulary: pl.DataFrame) -> Cards:
    """Return the cards by dense id; raise InputError for an item of the vocabulary that has no row."""
    frame = vocabulary.filter(side="item").sort("id").join(items, left_on="raw", right_on="item_id", how="left")
    if frame["card"].null_count():
        raw = frame.filter(pl.col("card").is_null())["raw"][0]
        raise InputError(f"items.parquet: item {raw!r} of the split has no row; delete both files and run again")
    title, text = clean(pl.col("title")), clean(pl.col("description"))
    frame = frame.with_columns(*(first_words(part).alias(name) for name, part in (("name", title), ("text", text))))
    # without a title the description speaks, then what the item is filed under; what speaks stands once
    filed = clean(pl.col("categories").list.last()), clean(pl.col("brand")), first_words(clean(pl.col("card")))
    parts = [pl.when(part != "").then(part) for part in (pl.col("name"), pl.col("text"), *filed)]
    frame = frame.with_columns(
        name=pl.coalesce(*parts, pl.lit("")),
        text=pl.when(pl.col("name") != "").then("text").otherwise(pl.lit("")),
    )
    categories = frame.select(
        pl.col("categories").fill_null([]).list.eval(clean(pl.element()).filter(clean(pl.element()) != ""))
    )["categories"]
    return Cards(
        [""] + frame["name"].to_list(),
        [[]] + categories.to_list(),
        [""] + frame.select(clean(pl.col("brand")))["brand"].to_list(),
        [""] + frame["text"].to_list(),
    )
