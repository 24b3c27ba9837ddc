"""MovieLens' files of 1M and 10M: fields with `::` between them, and no names of columns."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl

from ptebench.errors import InputError
from ptebench.raw.columns import columns_to_read
from ptebench.raw.lines import Malformed, lines
from ptebench.raw.packed import unpack

SEPARATOR = "::"
RATINGS, MOVIES = ("user_id", "item_id", "rating", "timestamp"), ("item_id", "title", "genres")


def names_of(path: Path) -> tuple[str, ...]:
    """Return the names of the columns, which the number of fields tells; raise InputError for other files."""
    with unpack(path) as stream:
        first = stream.readline().decode("iso-8859-1").strip()
    fields = len(first.split(SEPARATOR))
    if shape := next((names for names in (RATINGS, MOVIES) if len(names) == fields), None):
        return shape
    shapes = " or ".join(SEPARATOR.join(names) for names in (RATINGS, MOVIES))
    raise InputError(
        f"{path}: line 1: expected {shapes}, as in MovieLens' files, found {first[:80]!r}; write another file as .csv "
        "or .tsv, the names of its columns in the first line"
    )


def movielens(
    path: Path, required: list[str], optional: Iterable[str], malformed: Malformed, case: Callable
) -> Iterator[pl.DataFrame]:
    """Yield blocks of ratings, or of movies, whose titles are UTF-8 in 10M and ISO-8859-1 in 1M."""
    names = names_of(path)
    present = columns_to_read(path, [case(name) for name in names], required, optional)
    for block in lines(path, _encoding(path) if names == MOVIES else "utf-8"):
        block = block.with_columns(pl.col("text").str.split(SEPARATOR).alias("@fields"))
        whole = pl.col("@fields").list.len() == len(names)
        block = malformed.keep(path, block, whole, f"{len(names)} fields, {SEPARATOR.join(names)}")
        columns = [pl.col("@fields").list.get(names.index(name)).replace("", None).alias(name) for name in present]
        yield block.select(pl.col("line").alias("@line"), *columns)


def _encoding(path: Path) -> str:
    with unpack(path) as stream:
        content = stream.read()
    try:
        content.decode()
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "utf-8"
