"""The texts of one side of a split, by dense id."""

from pathlib import Path

import polars as pl

from ptebench.files import ITEMS, PROFILES, TRAIN, InputError, read_table


def read_texts(path: Path, text: str, vocabulary: pl.DataFrame) -> list[str]:
    """Return the texts of one side by dense id, after an empty text for padding; raise InputError for gaps."""
    if text == "card":
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


def read_training_texts(path: Path, text: str, vocabulary: pl.DataFrame, train: Path) -> list[str]:
    """Return the texts of the training items, which an encoder may be fitted on."""
    items = read_texts(path, text, vocabulary)
    return [items[item] for item in read_table(train, TRAIN)["history"].explode().drop_nulls().unique().sort()]
