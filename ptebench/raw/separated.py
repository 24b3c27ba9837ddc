"""Comma- and tab-separated text, quoted or not, whose first line names the columns."""

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from ptebench.errors import InputError
from ptebench.raw.columns import columns_to_read
from ptebench.raw.lines import BLOCK, Malformed, lines

csv.field_size_limit(BLOCK)  # a description may be longer than Python's limit
ATOMIC = ("token", "token_seq", "float", "float_seq")  # types in the first line of RecBole's files


def separated(
    path: Path, suffix: str, required, optional, malformed: Malformed, case: Callable
) -> Iterator[pl.DataFrame]:
    """Yield CSV or tab-separated text whose first line names the columns; RecBole's files know no quotes."""
    separator, atomic = "," if suffix == ".csv" else "\t", suffix in (".inter", ".item")
    blocks = lines(path)
    first = next(blocks)
    line, text = first.row(0)
    names = list(map(case, names_of(text, suffix, f"{path}: line {line}")))
    present = columns_to_read(path, names, required, optional)
    if twice := [name for name in present if names.count(name) > 1]:
        raise InputError(f"{path}: line {line}: two columns are named {twice[0]!r}; rename one")
    blocks, empty = chain([first[1:]], blocks), True
    for block, fields in _split(blocks) if atomic else _quoted(path, blocks, malformed, separator):
        empty &= block.is_empty()
        # spreadsheets write separators alone for rows without anything
        block = block.with_columns(fields.alias("@fields")).filter(~pl.col("text").str.contains(f"^[{separator} ]+$"))
        whole = pl.col("@fields").list.len() == len(names)
        block = malformed.keep(path, block, whole, f"{len(names)} fields, {separator.join(names)}")
        columns = [pl.col("@fields").list.get(names.index(name)).replace("", None).alias(name) for name in present]
        yield block.select(pl.col("line").alias("@line"), *columns)
    if empty:
        raise InputError(f"{path}: line {line}: no line below the names of the columns; fetch the file again")


def names_of(text: str, suffix: str, place: str) -> list[str]:
    """Return the names of columns that the first line of a file holds, RecBole's without their types."""
    separator = "," if suffix == ".csv" else "\t"
    if suffix in (".inter", ".item"):
        return [_untyped(name.strip(), place) for name in text.split(separator)]
    return [name.strip() for name in _fields(text, separator)]


def _untyped(name: str, place: str) -> str:
    """Return the name of a column of RecBole's, without its type."""
    name, _, kind = name.rpartition(":")
    if not name or kind not in ATOMIC:
        raise InputError(f"{place}: expected NAME:TYPE with a type of {', '.join(ATOMIC)}, separated by tabs")
    return name


def _fields(text: str, separator: str) -> list[str]:
    """Return the fields of a line, quoted or not; quotes that are none of CSV's belong to the text."""
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        return text.split(separator)


def _split(blocks: Iterable[pl.DataFrame]) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    for block in blocks:
        yield block, block["text"].str.split("\t")


def _quoted(
    path, blocks: Iterable[pl.DataFrame], malformed: Malformed, separator: str
) -> Iterator[tuple[pl.DataFrame, pl.Series]]:
    """Yield the records of CSV with their fields; a record over several lines has the number and text of its first.

    In tab-separated text quotes that are none of CSV's belong to the field, in CSV their line is malformed.
    """
    rest = None  # lines of a record that goes on in the next block
    for block in chain(blocks, [None]):
        last = block is None
        block = pl.concat([part for part in (rest, block) if part is not None] or [pl.DataFrame()])
        rest = None
        while block.height:
            starts, fields, open_at = _records_of_csv(path, block, malformed, separator)
            yield block[pl.Series(starts, dtype=pl.UInt32)], fields
            if open_at is None:
                break
            if open_at > 0 and not last:
                rest = block[open_at:]
                break
            # not closed within a block, or before the file ends: that line alone is at fault
            line = block[open_at : open_at + 1]
            if separator == "\t":
                yield line, line["text"].str.split(separator)
            else:
                malformed.add(path, line, "a closing quote")
            block = block[open_at + 1 :]


def _records_of_csv(
    path: Path, block: pl.DataFrame, malformed: Malformed, separator: str
) -> tuple[list[int], pl.Series, int | None]:
    """Return the rows where records begin, their fields, and the row of a record that the block does not end."""
    if not block["text"].str.contains('"', literal=True).any():
        return list(range(block.height)), block["text"].str.split(separator), None
    texts = block["text"].to_list()

    def reader(start):
        lines = (f"{texts[row]}\n" for row in range(start, len(texts)))
        return csv.reader(lines, delimiter=separator, strict=True), start

    starts, records, start, open_at = [], [], 0, None
    rows, first = reader(0)
    while start < len(texts) and open_at is None:
        try:
            record = next(rows)
        except csv.Error as error:
            if "unexpected end" in str(error):
                open_at = start
            elif separator == "\t":
                starts.append(start)
                records.append(texts[start].split(separator))
                rows, first = reader(start + 1)
            else:
                malformed.add(path, block[start : start + 1], f"fields of CSV ({error})")
        else:
            starts.append(start)
            records.append(record)
        start = first + rows.line_num
    return starts, pl.Series(records, dtype=pl.List(pl.String)), open_at
