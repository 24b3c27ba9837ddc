"""Item texts: cleaning, the card, and items as ITEMS frames."""

from html import unescape
from pathlib import Path

import polars as pl

from ptebench.files import ITEMS, InputError
from ptebench.lists import MAPPING, lists, unquote
from ptebench.raw.columns import ids, present
from ptebench.raw.lines import Malformed
from ptebench.raw.tables import table

TAG = r"<[^<>]*>"
LABELS = {"title": "Title", "brand": "Brand", "categories": "Categories", "description": "Description"}


def clean(text: pl.Expr) -> pl.Expr:
    """Return text without HTML tags and entities, white space collapsed; null where nothing is left."""
    # entities only where there is one: unescaping is Python, everything else stays in polars
    text = (
        pl.when(text.str.contains("&", literal=True))
        .then(text.map_elements(lambda t: unescape(unescape(t)), return_dtype=pl.String, skip_nulls=True))
        .otherwise(text)
    )
    return present(text.str.replace_all(TAG, " ").str.replace_all(r"\s+", " "))


def card(fields: dict[str, str]) -> pl.Expr:
    """Return the card, `Label: value.` for each column of `fields` (column -> label) that has a value.

    Lists are joined by commas. "" where no field has a value.
    """
    parts = []
    for column, label in fields.items():
        value = pl.col(column)
        if column in ITEMS and ITEMS[column] == pl.List(pl.String):
            value = value.list.join(", ")
        value = value.str.strip_chars_end(". ")
        parts.append(pl.when(value != "").then(pl.concat_str(pl.lit(f"{label}: "), value, pl.lit("."))))
    return pl.concat_str(parts, separator=" ", ignore_nulls=True).fill_null("").alias("card")


def complete(frame: pl.DataFrame, labels: dict[str, str] = LABELS) -> pl.DataFrame:
    """Return an ITEMS frame from one with item_id and any of the text columns; columns that lack are null or empty.

    `labels` says which columns make the card, beyond those of ITEMS if it names more.
    """
    absent = [
        pl.lit(None, dtype=kind).alias(name) for name, kind in ITEMS.items() if name not in (*frame.columns, "card")
    ]
    frame = frame.with_columns(absent).with_columns(
        pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String)))
    )
    return frame.with_columns(card({c: name for c, name in labels.items() if c in frame.columns})).select(*ITEMS)


def none() -> pl.DataFrame:
    """Return the ITEMS frame of a dataset without item texts."""
    return pl.DataFrame(schema=ITEMS)


def read_items(path: Path, columns: dict[str, str], malformed: Malformed, separator: str = "|") -> pl.DataFrame:
    """Read an items file (see raw.tables) into an ITEMS frame; `columns` names the file's column for each of ours.

    Text columns that `columns` does not name are taken by their own name where the file has them.
    Categories are a list (also of lists, or as text), or text with `separator` between them.
    """
    required = {"item_id": "item_id", **columns}
    frame = table(path, list(required.values()), malformed, [name for name in LABELS if name not in required])
    names = {name: name for name in LABELS if name in frame.columns} | required
    place = f"{path}: column {names['item_id']!r}"
    if (kind := frame.schema[names["item_id"]]).is_nested() or kind in (pl.Duration, pl.Time, pl.Object):
        raise InputError(f"{place} holds {kind}; expected an id in each row: convert the column")
    item = pl.col(names["item_id"])
    values = {
        name: lists(frame[theirs], f"{path}: column {theirs!r}") for name, theirs in names.items() if name in LABELS
    }
    frame = frame.select(
        ids(item).alias("item_id"), item.cast(pl.String, strict=False).alias("text"), line="@line", **values
    )
    expected = f"an id in {names['item_id']} (a number with all its digits)"
    frame = malformed.keep(path, frame, pl.col("item_id").is_not_null(), expected)
    texts = [clean(pl.col(name).list.join(" ")).alias(name) for name in values if name != "categories"]
    if "categories" in values:
        parts, one = pl.col("categories"), pl.col("categories").list.first()
        mappings = frame.filter(one.str.contains(MAPPING).fill_null(False))["categories"]
        if len(mappings):
            raise InputError(
                f"{path}: column {names['categories']!r} holds {mappings[0][0][:80]!r}; expected text or lists of "
                "texts: convert the column"
            )
        whole = pl.coalesce(unquote(one), one.str.split(separator))
        parts = pl.when(parts.list.len() == 1).then(whole).otherwise(parts)
        each = parts.list.eval(clean(pl.element()).drop_nulls().unique(maintain_order=True))
        texts.append(each.alias("categories"))
    return complete(frame.select("item_id", *texts))
