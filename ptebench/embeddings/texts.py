"""The texts of one side of a split, by dense id."""

from pathlib import Path

import polars as pl

from ptebench.files import ITEMS, PROFILES, TRAIN, InputError, read_table
from ptebench.lists import lists
from ptebench.raw.columns import ids, owner_keys, present, refuse_repeats
from ptebench.raw.lines import Malformed
from ptebench.raw.tables import first_names, table


def read_supplied(path: Path, columns: list[str], vocabulary: pl.DataFrame) -> pl.DataFrame:
    """Return (raw, text) of a table keyed by raw id, `columns` joined; who is not in it has an empty text.

    Raises InputError where an owner has two rows, or where nobody of the vocabulary has one.
    """
    keys = owner_keys(vocabulary["side"][0])
    frame = table(path, columns, Malformed(), keys)
    raw = pl.coalesce([pl.lit(None, pl.String), *(ids(pl.col(key)) for key in keys if key in frame.columns)])
    parts = [lists(frame[name], f"{path}: column {name!r}").list.eval(present(pl.element())).list.join(" ").alias(name)
             for name in columns]  # fmt: skip
    text = pl.concat_str(columns, separator=" ", ignore_nulls=True).str.strip_chars()
    rows = frame.with_columns(parts).select("@line", raw=raw, text=text).drop_nulls("raw")
    if rows.is_empty():
        raise InputError(
            f"{path}: no keys; expected them in one of {', '.join(keys)}; it has {', '.join(first_names(path))}"
        )
    refuse_repeats(path, rows["raw"], rows["@line"])
    if rows.join(vocabulary, on="raw", how="semi").is_empty():
        raise InputError(
            f"{path}: none of its {rows.height} keys, such as {rows['raw'].first()!r}, is an id of the dataset, "
            f"such as {vocabulary['raw'].first()!r}; give the file of the same dataset"
        )
    return (
        vocabulary.select("raw")
        .join(rows.drop("@line"), on="raw", how="left")
        .with_columns(pl.col("text").fill_null(""))
    )


def tell_gaps(path: Path, texts: list[str], text: str, side: str, partial: bool) -> None:
    """Print how many owners a supplied text is of, where some have none; raise InputError below half.

    texts: by dense id, after that for padding. partial: whether less than half is enough.
    """
    owners, number = len(texts) - 1, sum(map(bool, texts))
    if 2 * number < owners and not partial:
        raise InputError(
            f"{path}: texts of {number:,} of {owners:,} {side}s, less than half; give it those of the others, or set "
            f"texts.{text}.partial: true, and the others are read as {side}s without a text"
        )
    if number < owners:
        print(f"note: texts of {text}: {number:,} of {owners:,} {side}s")


def read_texts(path: Path, text: str, vocabulary: pl.DataFrame, columns: list[str] | None = None) -> list[str]:
    """Return the texts of one side by dense id, after an empty text for padding; raise InputError for gaps.

    columns: of a supplied text, those that are joined.
    """
    if columns:
        frame = read_supplied(path, columns, vocabulary)
    elif text == "card":
        frame = read_table(path, ITEMS).select(pl.col("item_id").alias("raw"), pl.col("card").alias("text"))
    else:
        frame = read_table(path, PROFILES).select("id", "text")
    frame = vocabulary.join(frame, on=frame.columns[0], how="left", maintain_order="left").sort("id")
    if frame.height != vocabulary.height:
        raise InputError(f"{path}: {frame.columns[0]!r} has repeated values; expected one row for each")
    if frame["text"].null_count():
        raw = frame.filter(pl.col("text").is_null())["raw"][0]
        raise InputError(f"{path}: {raw!r} of the vocabulary has no row; make this file again from the same data")
    return ["", *frame["text"]]


def read_training_texts(
    path: Path, text: str, vocabulary: pl.DataFrame, train: Path, columns: list[str] | None = None
) -> list[str]:
    """Return the texts of the training items, which an encoder may be fitted on."""
    items = read_texts(path, text, vocabulary, columns)
    return [items[item] for item in read_table(train, TRAIN)["history"].explode().drop_nulls().unique().sort()]


def read_all(files: dict[str, Path], texts: dict[str, dict], vocabulary: pl.DataFrame) -> dict[str, list[str]]:
    """Return the texts by name, of the `text`, `side` and `columns` that `texts` says of each."""
    columns = {name: of.get("columns", {}).get(of["side"]) for name, of in texts.items()}
    sides = {name: vocabulary.filter(side=of["side"]) for name, of in texts.items()}
    return {name: read_texts(files[name], of["text"], sides[name], columns[name]) for name, of in texts.items()}
