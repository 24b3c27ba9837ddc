"""Sequences: one user a line, items oldest first; one file, or train, valid and test files of users."""

from pathlib import Path

import numpy as np
import polars as pl

from ptebench.data.interactions import complete
from ptebench.data.items import none, read_items
from ptebench.data.reading import Reading
from ptebench.files import InputError
from ptebench.raw.columns import ids
from ptebench.raw.lines import Malformed, lines

HEADER = ["user_id", "item_ids"]
TABBED = r"^([^\t]+)\t(\s*\S.*)$"
LIST = r"^\s*\[(.*)\]\s*$"  # a list of Python or JSON


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts.

    A file with a tab in its first line is TSV with the header user_id, item_ids. Without a user column, a user's name
    is a hash of part and line. `timestamp` and `rating` are null.
    """
    malformed = Malformed(settings["max_bad_rows"])
    if "sequences" in paths:
        frames = [_read(paths["sequences"][0], settings["user_column"], None, malformed)]
    else:
        frames = [
            _read(paths[part][0], settings["user_column"], part, malformed) for part in ("train", "valid", "test")
        ]
    frame = pl.concat(frames)
    twice = frame.filter(pl.col("user_id").is_duplicated())
    if twice.height:
        path, line, user = twice.select("path", "line", "user_id").row(1)
        raise InputError(f"{path}: line {line}: user {user!r} has a line already; expected one line a user")
    interactions = complete([frame.explode("item_id")])
    items = read_items(paths["items"][0], settings["item_columns"], malformed) if "items" in paths else none()
    return Reading(interactions, items, {"malformed_lines": malformed.count})


def _read(path: Path, user_column: bool, part: str | None, malformed: Malformed) -> pl.DataFrame:
    """Return (path, line, user_id, item_id: list, part), one row a line of the file."""
    frames, is_tsv = [], False
    for number, block in enumerate(lines(path)):
        if number == 0 and user_column and ("\t" in block["text"][0] or block["text"][0].startswith(HEADER[0])):
            if block["text"][0].split("\t") != HEADER:
                raise InputError(f"{path}: line {block['line'][0]}: expected the header {HEADER}, separated by a tab")
            block, is_tsv = block[1:], True
        if is_tsv:
            block = malformed.keep(path, block, pl.col("text").str.contains(TABBED), "a user, a tab, and item ids")
        items = _items(block["text"])
        if is_tsv:
            user, items = block["text"].str.extract(TABBED, 1), _items(block["text"].str.extract(TABBED, 2))
        elif user_column:
            user, items = items.list.first(), items.list.slice(1)
        else:
            user = pl.Series(_names(block["line"].to_numpy(), part))
        frame = block.with_columns(user_id=user, raw=items).with_columns(
            ids(pl.col("user_id")), item_id=pl.col("raw").list.eval(ids(pl.element()))
        )
        whole = pl.col("user_id").is_not_null() & (pl.col("item_id").list.len() > 0)
        frame = malformed.keep(path, frame, whole, "a user and at least one item")
        sound = ~pl.col("item_id").list.eval(pl.element().is_null() | pl.element().str.contains(r"[,;\[\]]")).list.any()
        frame = malformed.keep(path, frame, sound, "item ids with blanks between, each with all its digits")
        frames.append(frame.drop("text", "raw"))
    return pl.concat(frames).with_columns(path=pl.lit(str(path)), part=pl.lit(part, dtype=pl.String))


def _items(text: pl.Series) -> pl.Series:
    """Return the ids of each text: with white space between, or a list of Python or JSON."""
    of_list = text.str.extract(LIST).str.replace_all(r"""[\s,'"]+""", " ")
    return of_list.fill_null(text).str.replace_all(r"\s+", " ").str.strip_chars().str.split(" ")


def _names(numbers: np.ndarray, part: str | None) -> list[str]:
    """Return one opaque name per line number; sorting the names mixes lines and parts."""
    from hashlib import blake2b

    return [f"u{blake2b(f'{part}:{n}'.encode(), digest_size=8).hexdigest()}" for n in numbers]
