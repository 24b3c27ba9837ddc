"""Sequences: one user a line, items oldest first; one file, or train, valid and test files of users."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ptebench.data.interactions import MILLISECONDS, complete
from ptebench.data.items import none, read_items
from ptebench.data.reading import Reading
from ptebench.files import InputError
from ptebench.raw.columns import ids
from ptebench.raw.lines import Malformed, lines

HEADER = ["user_id", "item_ids"]
TIMES = "timestamps"
LIST = r"^\s*\[(.*)\]\s*$"  # a list of Python or JSON
TIME = r"^(NA|\d+)$"
EXPECTED_TIMES = "a time for each item, in seconds since 1970 that never fall, or NA where it is unknown"


def read(paths: dict[str, list[Path]], settings: dict[str, Any]) -> Reading:
    """Return interactions, items and counts.

    A tab in the first line says that the file is TSV with the header user_id, item_ids and perhaps timestamps. Without
    a user column a user's name is that of `user_map`, or a hash of part and line, which tells neither. `rating` is
    null, and `timestamp` where it is unknown.
    """
    malformed = Malformed(settings["max_bad_rows"])
    if "parts" in paths:
        frame = _parts(paths["parts"][0], malformed)
        items, notes = _texts(paths, settings, malformed)
        return Reading(complete([frame]), items, malformed, notes=notes)
    parts = [("sequences", None)] if "sequences" in paths else [(part, part) for part in ("train", "valid", "test")]
    frame = pl.concat(_read(paths[name][0], settings["user_column"], part, malformed) for name, part in parts)
    if "user_map" in paths:
        frame = _named(frame, paths["user_map"][0], malformed)
    twice = frame.filter(pl.col("user_id").is_duplicated())
    if twice.height:
        path, line, user = twice.select("path", "line", "user_id").row(1)
        raise InputError(f"{path}: line {line}: user {user!r} has a line already; expected one line a user")
    frame = _timed(frame, paths, malformed)
    interactions = complete([frame.explode("item_id", "timestamp")])
    items, notes = _texts(paths, settings, malformed)
    return Reading(interactions, items, malformed, notes=notes)


def _texts(
    paths: dict[str, list[Path]], settings: dict[str, Any], malformed: Malformed
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the items and their texts, and what of a map of them is odd."""
    if "items" not in paths:
        return none(), {}
    items = read_items(paths["items"][0], settings["item_columns"], malformed)
    return _mapped(items, paths["item_map"][0], paths["items"][0], malformed) if "item_map" in paths else (items, {})


def _parts(path: Path, malformed: Malformed) -> pl.DataFrame:
    """Return (user_id, item_id, part), a row an item, of a file of a user and the items of each part."""
    expected = "a user and the item ids of the training, validation and test part, with tabs between"
    frame = _columns(path, 4, malformed, expected).with_columns(user_id=ids(pl.col("0")))
    frame = malformed.keep(path, frame, pl.col("user_id").is_not_null(), expected)
    if (twice := frame.filter(pl.col("user_id").is_duplicated())).height:
        raise InputError(f"{path}: line {twice['line'][1]}: user {twice['user_id'][1]!r} has a line already")
    of_parts = [
        frame.select("user_id", part=pl.lit(part), item_id=_items(frame[column]))
        for part, column in (("train", "1"), ("valid", "2"), ("test", "3"))
    ]
    return pl.concat(of_parts).explode("item_id").with_columns(ids(pl.col("item_id"))).drop_nulls("item_id")


def _read(path: Path, user_column: bool, part: str | None, malformed: Malformed) -> pl.DataFrame:
    """Return (path, line, user_id, item_id: list, timestamp: list, part), one row a line of the file."""
    frames, header = [], []
    for number, block in enumerate(lines(path)):
        if number == 0 and user_column and ("\t" in block["text"][0] or block["text"][0].startswith(HEADER[0])):
            header = block["text"][0].split("\t")
            if header not in (HEADER, [*HEADER, TIMES]):
                raise InputError(
                    f"{path}: line {block['line'][0]}: expected the header {HEADER}, with {TIMES!r} behind it where "
                    "there are times, separated by tabs"
                )
            block = block[1:]
        frames.append(_block(path, block, header, user_column, malformed))
    frame = pl.concat(frames)
    if not user_column:
        frame = frame.with_columns(user_id=pl.Series(_names(frame["line"].to_numpy(), part), dtype=pl.String))
    return frame.with_columns(path=pl.lit(str(path)), part=pl.lit(part, dtype=pl.String))


def _block(path: Path, block: pl.DataFrame, header: list[str], user_column: bool, malformed: Malformed) -> pl.DataFrame:
    """Return (line, user_id, item_id: list, timestamp: list or null) of lines of a file with that header."""
    items = _items(block["text"])
    if header:
        fields = pl.col("text").str.split("\t")
        whole = (fields.list.len() == len(header)) & (fields.list.get(1, null_on_oob=True).str.strip_chars() != "")
        block = malformed.keep(path, block, whole, "a user, a tab, and item ids")
        columns = [block["text"].str.split("\t").list.get(n) for n in range(len(header))]
        frame = block.with_columns(user_id=columns[0], raw=_items(columns[1]), timestamp=_items(columns[-1]))
    elif user_column:
        frame = block.with_columns(user_id=items.list.first(), raw=items.list.slice(1))
    else:
        frame = block.with_columns(user_id=pl.lit(None, pl.String), raw=items)
    if TIMES not in header:
        frame = frame.with_columns(timestamp=pl.lit(None, pl.List(pl.String)))
    frame = frame.with_columns(ids(pl.col("user_id")), item_id=pl.col("raw").list.eval(ids(pl.element())))
    named = pl.col("user_id").is_not_null() | (not user_column)
    frame = malformed.keep(path, frame, named & (pl.col("item_id").list.len() > 0), "a user and at least one item")
    sound = ~pl.col("item_id").list.eval(pl.element().is_null() | pl.element().str.contains(r"[,;\[\]]")).list.any()
    frame = malformed.keep(path, frame, sound, "item ids with blanks between, each with all its digits")
    return frame.drop("text", "raw")


def _items(text: pl.Series) -> pl.Series:
    """Return the ids of each text: with white space between, or a list of Python or JSON."""
    of_list = text.str.extract(LIST).str.replace_all(r"""[\s,'"]+""", " ")
    return of_list.fill_null(text).str.replace_all(r"\s+", " ").str.strip_chars().str.split(" ")


def _names(numbers: np.ndarray[Any, Any], part: str | None) -> list[str]:
    """Return one opaque name per line number; sorting the names mixes lines and parts."""
    from hashlib import blake2b

    return [f"u{blake2b(f'{part}:{n}'.encode(), digest_size=8).hexdigest()}" for n in numbers]


def _columns(path: Path, count: int, malformed: Malformed, expected: str) -> pl.DataFrame:
    """Return (line, text, 0, 1, ...), the first `count` columns of a file with tabs between them, below its header."""
    frame = pl.concat(list(lines(path)))[1:]
    fields = pl.col("text").str.split("\t")
    frame = malformed.keep(path, frame, fields.list.len() >= count, expected)
    return frame.with_columns(fields.list.get(n, null_on_oob=True).alias(str(n)) for n in range(count))


def _named(frame: pl.DataFrame, path: Path, malformed: Malformed) -> pl.DataFrame:
    """Return sequences with the names of users by part and line, of a table of part, line, user."""
    known = _columns(path, 3, malformed, "a part, a line and a user, with tabs between")
    known = known.select(part="0", line=pl.col("1").cast(frame.schema["line"], strict=False), name=ids(pl.col("2")))
    named = frame.join(known, on=["part", "line"], how="left", maintain_order="left")
    if (bare := named.filter(pl.col("name").is_null())).height:
        place, line, part = bare.select("path", "line", "part").row(0)
        raise InputError(f"{path}: no user of line {line} of {place}; expected a row with {part}, {line} and the user")
    return named.with_columns(user_id="name").select(frame.columns)


def _timed(frame: pl.DataFrame, paths: dict[str, list[Path]], malformed: Malformed) -> pl.DataFrame:
    """Return sequences with a time for each item, null where unknown."""
    own = frame["timestamp"].null_count() < frame.height
    if "times" not in paths:
        if own:
            raise InputError(f"{frame['path'][0]}: it has a column of times; name it as 'times' too, to read them")
        return frame.with_columns(timestamp=pl.col("item_id").list.eval(pl.lit(None, pl.Int64)))
    path = paths["times"][0]
    if path != paths.get("sequences", [None])[0]:
        told = _columns(path, 2, malformed, "a user, a tab, and times")
        told = told.select(user_id=ids(pl.col("0")), times=_items(told["1"]))
        frame = frame.drop("timestamp").join(told, on="user_id", how="left", maintain_order="left")
        if "user_map" in paths:  # a sequence may be the end of one that the times are of
            frame = frame.with_columns(pl.col("times").list.tail(pl.col("item_id").list.len()))
        frame = frame.rename({"times": "timestamp"})
    elif not own and frame.height:
        raise InputError(f"{path}: expected a third column, {TIMES!r}; leave 'times' out, or name the file with times")
    times = frame["timestamp"].list.eval(pl.element().cast(pl.Int64, strict=False))
    written = pl.col("timestamp").list.eval(pl.element().str.contains(TIME)).list.all()
    known = times.list.drop_nulls()
    falls = known.list.eval(pl.element().diff() < 0).list.any()
    sound = written & (pl.col("timestamp").list.len() == pl.col("item_id").list.len()) & ~falls
    sound &= (known.list.max() < MILLISECONDS).fill_null(True)
    text, sizes = pl.col("timestamp").list.join(" "), [pl.col(name).list.len() for name in ("timestamp", "item_id")]
    uneven = pl.format("{} times for {} items: {}", *sizes, text)
    checked = frame.with_columns(text=pl.when(sizes[0] == sizes[1]).then(text).otherwise(uneven))
    kept = malformed.keep(path, checked.with_columns(parsed=times), sound, f"{EXPECTED_TIMES}, of the sequence there")
    return kept.with_columns(timestamp="parsed").drop("text", "parsed")


def _mapped(items: pl.DataFrame, path: Path, texts: Path, malformed: Malformed) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the items of `texts` by their ids in the sequences, and how many have no row there or one that is shared.

    The file at `path` is a table of an item's id in the sequences and in `texts`.
    """
    pairs = _columns(path, 2, malformed, "an item's id in the sequences, a tab, and its id in items")
    pairs = pairs.select(ours=ids(pl.col("0")), theirs=ids(pl.col("1"))).drop_nulls()
    if (twice := pairs.filter(pl.col("ours").is_duplicated())).height:
        raise InputError(f"{path}: {twice['ours'][0]!r} stands here twice; expected one row an item")
    rows = pairs.join(items, left_on="theirs", right_on="item_id", how="inner", maintain_order="left")
    if pairs.height and not rows.height:
        raise InputError(
            f"{path}: {texts} has none of the {pairs.height:,} ids of the second column, such as "
            f"{pairs['theirs'][0]!r}; expected an item's id in the sequences first, and second its id there"
        )
    notes = {
        "items_mapped_to_no_row": pairs.join(rows, on="ours", how="anti").height,
        "items_mapped_to_a_row_of_another": pairs.filter(pl.col("theirs").is_duplicated()).height,
    }
    return rows.with_columns(item_id="ours").select(items.columns), notes
