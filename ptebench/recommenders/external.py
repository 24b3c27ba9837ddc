"""Lists of recommended items in files from elsewhere, as index tensors."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch

from ptebench.files import VOCABULARY, InputError, read_table
from ptebench.raw.columns import ids
from ptebench.raw.lines import Malformed, lines
from ptebench.raw.tables import FORMATS, form, table_blocks

OURS = ("user_id", "event", "item_id", "score", "rank")


def read_lists(path: Path, vocabulary: Path, settings: dict) -> dict[str, torch.Tensor]:
    """Return the lists of a file: owners (L,) ascending, offsets (L + 1,), items, scores and lines (R,), by_event.

    `settings` are those of an external backbone. List l has rows offsets[l]:offsets[l + 1], by falling score. Raises
    InputError naming the line of a value that is none, of an item that stands twice in a list, of an unknown id.
    """
    malformed = Malformed()
    frame = pl.concat(_checked(path, block, malformed) for block in _blocks(path, settings["columns"], malformed))
    owner = "event" if "event" in frame.columns else "user_id"
    words = read_table(vocabulary, VOCABULARY)
    frame = _numbered(path, frame, "item", "item_id", words, settings)
    if owner == "user_id":
        frame = _numbered(path, frame, "user", owner, words, settings)
    frame = frame.select("line", "score", owner=pl.col(owner).cast(pl.Int64), item=pl.col("item_id").cast(pl.Int64))
    frame = frame.sort("owner", "score", "line", descending=[False, True, False])
    _refuse_twice(path, frame)
    sizes = frame.group_by("owner", maintain_order=True).len()
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(sizes["len"].to_list()).long().cumsum(0)])
    columns = {f"{name}s": torch.from_numpy(frame[name].to_numpy().copy()) for name in ("item", "score", "line")}
    owners = torch.from_numpy(sizes["owner"].to_numpy().copy())
    return {"owners": owners, "offsets": offsets, **columns, "by_event": torch.tensor(owner == "event")}


def _blocks(path: Path, columns: dict[str, Any], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a file with a column `line` and, of ours, the columns that it has."""
    if any(isinstance(place, int) for place in columns.values()):
        yield from _unnamed(path, columns, malformed)
        return
    if (suffix := form(path)) not in FORMATS:
        raise InputError(
            f"{path}: unknown format {suffix!r}; expected {', '.join(FORMATS)}, or, of a file that names no columns, "
            "their places, such as columns: {user_id: 1, item_id: 3, score: 5}"
        )
    theirs = {ours: str(columns.get(ours, ours)) for ours in OURS}
    for block in table_blocks(path, [theirs[name] for name in {"item_id": 0, **columns}], malformed, theirs.values()):
        empty = {name for name in block.columns if block[name].null_count() == block.height}  # JSON lines have all
        there = {ours: name for ours, name in theirs.items() if name in block.columns and name not in empty}
        if "item_id" not in there or not {"user_id", "event"} & set(there):
            raise InputError(
                f"{path}: no column says whose list it is, or which item; name it in columns (user_id, event, item_id)"
            )
        yield block.select(pl.col("@line").alias("line"), *(pl.col(name).alias(ours) for ours, name in there.items()))


def _unnamed(path: Path, columns: dict[str, Any], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a text without names of columns, whose fields commas (.csv), tabs or else blanks part."""
    separator = "," if path.suffix == ".csv" else None
    most = max(columns.values())
    for block in lines(path):
        if separator is None:
            separator = "\t" if "\t" in block["text"][0] else " "
        text = pl.col("text").str.strip_chars()
        fields = (text.str.replace_all(r"\s+", " ") if separator == " " else text).str.split(separator)
        block = block.with_columns(fields.alias("@fields"))
        whole = pl.col("@fields").list.len() >= most
        block = malformed.keep(path, block, whole, f"{most} fields at least")
        yield block.select("line", *(pl.col("@fields").list.get(at - 1).alias(ours) for ours, at in columns.items()))


def _checked(path: Path, block: pl.DataFrame, malformed: Malformed) -> pl.DataFrame:
    """Return a block as line, user_id or event, item_id, score; by rank or, without one, by order of lines."""
    owner = "event" if "event" in block.columns else "user_id"
    value = next((name for name in ("score", "rank") if name in block.columns), None)
    block = block.with_columns(pl.col("line").cast(pl.Int64))
    values = {
        owner: (ids(pl.col(owner)), "an id" if owner == "user_id" else "the number of a test event"),
        "item_id": (ids(pl.col("item_id")), "an id (a number with all its digits)"),
    }
    if owner == "event":
        values[owner] = (ids(pl.col(owner)).cast(pl.Int64, strict=False), values[owner][1])
    if value:
        number = pl.col(value).cast(pl.String, strict=False).str.strip_chars().cast(pl.Float64, strict=False)
        values[value] = (pl.when(number.is_finite()).then(number), "a finite number (leave out rows that mean nothing)")
        if value == "rank":
            whole = (number >= 0) & (number == number.floor())
            values[value] = (pl.when(whole).then(number), "a whole number from 0 or 1 (of scores the column is score)")
    for name, (good, expected) in values.items():
        text = pl.col(name).cast(pl.String, strict=False).fill_null("")
        block = malformed.keep(
            path, block.with_columns(text=text).with_columns(good), pl.col(name).is_not_null(), f"{expected} as {name}"
        )
    score = pl.col("score") if value == "score" else -pl.col(value or "line").cast(pl.Float64)
    return block.select("line", owner, "item_id", score.alias("score"))


def _numbered(path: Path, frame: pl.DataFrame, side: str, column: str, words, settings: dict) -> pl.DataFrame:
    """Return a frame with dense ids in a column of raw or dense ones; rows of others are refused, or dropped."""
    names = words.filter(side=side).select(
        "id", key="raw" if settings["ids"] == "raw" else pl.col("id").cast(pl.String)
    )
    frame = frame.join(names, left_on=column, right_on="key", how="left", maintain_order="left")
    strange = frame.filter(pl.col("id").is_null())
    everywhere = strange.height == frame.height
    if strange.height and (settings["unknown"] == "refuse" or everywhere):
        line, name = strange.select("line", column).row(0)
        mend = (
            f"these look like lists of another dataset, or of other {side}s"
            if everywhere
            else f"where the dataset's filters or `users` left the {side} out, set unknown: drop"
        )
        raise InputError(
            f"{path}: line {line}: the dataset has no {side} {name!r} ({strange.height} of {frame.height} rows have "
            f"such); its ids are as {names['key'][0]!r}. Name them so ({settings['ids']} ids); {mend}"
        )
    return frame.filter(pl.col("id").is_not_null()).drop(column).rename({"id": column})


def _refuse_twice(path: Path, frame: pl.DataFrame) -> None:
    """Raise InputError for an item that stands twice in a list."""
    twice = frame.filter(pl.struct("owner", "item").is_duplicated()).sort("owner", "item", "line")
    if twice.height:
        first, second = twice["line"][0], twice["line"][1]
        raise InputError(
            f"{path}: line {second}: the item of line {first} again, in the same list; keep one of the two rows, or "
            "tell lists by event where they are of two events of a user"
        )
