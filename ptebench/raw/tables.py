"""Tables in any of the usual formats, as frames of the columns asked for."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl

from ptebench.errors import InputError, absence
from ptebench.files import UNREADABLE
from ptebench.raw.columns import columns_to_read, flat, value_of
from ptebench.raw.lines import Malformed, lines
from ptebench.raw.movielens import movielens
from ptebench.raw.movielens import names_of as fields_of
from ptebench.raw.parquet import check_size, check_texts
from ptebench.raw.separated import names_of, separated

SEPARATED = (".csv", ".tsv", ".txt", ".inter", ".item")
FORMATS = (*SEPARATED, ".parquet", ".json", ".jsonl", ".dat")


def form(path: Path) -> str:
    """Return the format of a table by the end of its name, in small letters, without .gz."""
    return next((s for s in map(str.lower, reversed(path.suffixes)) if s != ".gz"), "")


def unknown_format(path: Path) -> InputError:
    """Return the error of a table whose name tells no format that can be read."""
    return InputError(f"{path}: unknown format {form(path)!r}; expected {', '.join(FORMATS[:-1])} or MovieLens' .dat")


def header(path: Path) -> list[str] | None:
    """Return the names of a table's columns; None of JSON lines, where each record has its own."""
    if (suffix := form(path)) == ".parquet":
        return parquet_columns(path)
    if suffix == ".dat":
        return list(fields_of(path))
    if suffix in (".json", ".jsonl"):
        return None
    if suffix not in SEPARATED:
        raise unknown_format(path)
    line, text = next(lines(path)).row(0)
    return names_of(text, suffix, f"{path}: line {line}")


def first_names(path: Path) -> list[str]:
    """Return the names of a table's columns; of JSON lines, those of the first record."""
    names = header(path)
    return list(json.loads(next(lines(path))["text"][0])) if names is None else names


def table_blocks(
    path: Path, required: list[str], malformed: Malformed, optional: Iterable[str] = (), lower: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield blocks of a table with the `required` columns and those of `optional` that it has, gzip or plain.

    Column `@line` is the line (of Parquet: the row) a record came from, 1-based. The format follows the name:
    .csv, .tsv, .txt (as TSV), .inter, .item (RecBole's), .parquet (one block), .json, .jsonl, .dat (MovieLens'),
    each also with .gz.
    Columns are text, in JSON lines also lists of texts, in Parquet of any type; `lower` reads their names in lower
    case. Raises InputError naming a required column that is missing and those that are there.
    """
    path, suffix = Path(path), form(Path(path))
    case = str.lower if lower else str
    if suffix == ".parquet":
        yield _parquet(path, required, optional, case)
    elif suffix in (".json", ".jsonl"):
        yield from _records(path, required, optional, malformed, case)
    elif suffix in SEPARATED:
        yield from separated(path, suffix, required, optional, malformed, case)
    elif suffix == ".dat":
        yield from movielens(path, required, optional, malformed, case)
    else:
        raise unknown_format(path)


def table(
    path: Path, required: list[str], malformed: Malformed, optional: Iterable[str] = (), lower: bool = False
) -> pl.DataFrame:
    """Return a whole table (see `table_blocks`); where one block has lists in a column, all have."""
    frames = list(table_blocks(path, required, malformed, optional, lower))
    for name in frames[0].columns:
        if len({frame.schema[name] for frame in frames}) > 1:
            of_one = pl.when(pl.col(name).is_not_null()).then(pl.concat_list(name))
            frames = [f.with_columns(of_one) if f.schema[name] == pl.String else f for f in frames]
    return pl.concat(frames)


def parquet_columns(path: Path) -> list[str]:
    """Return the names of the columns of a Parquet file."""
    if not path.is_file():
        raise InputError(f"{path}: {absence(path)}; check the path in the configuration and data_root")
    try:
        return list(pl.read_parquet_schema(path))
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not readable as parquet ({(str(error).splitlines() or [''])[0]}); fetch it again"
        ) from error


def _parquet(path: Path, required: list[str], optional: Iterable[str], case: Callable) -> pl.DataFrame:
    there = {case(name): name for name in parquet_columns(path)}
    try:
        names = columns_to_read(path, there, required, optional)
        check_size(path, {there[name] for name in names})
        frame = pl.read_parquet(path, columns=[there[name] for name in names])
        check_texts(path, frame)
        frame = frame.select(pl.col(there[name]).alias(name) for name in names)
        # some writers do not say that their texts are texts, others that they are one of few
        return frame.with_columns(pl.col(pl.Binary, pl.Categorical, pl.Enum).cast(pl.String)).with_row_index("@line", 1)
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"{path}: not readable as parquet ({reason}); fetch it again, or convert the column"
        ) from error


def _records(
    path: Path, required: list[str], optional: Iterable[str], malformed: Malformed, case: Callable
) -> Iterator[pl.DataFrame]:
    """Yield JSON lines with all columns asked for; one is there if any record of the file names it."""
    names = list(dict.fromkeys([*required, *optional]))
    there: dict[str, None] = {}
    for block in lines(path):
        values = [_record(text, names, case) for text in block["text"]]
        good = pl.lit(pl.Series([record is not None for record in values], dtype=pl.Boolean))
        block = malformed.keep(
            path,
            block,
            good,
            "a JSON object in a line of its own, with text, a number or a list for each of "
            f"{', '.join(names)} that it has",
        )
        records = [record for record in values if record is not None]
        there |= dict.fromkeys(name for record in records for name in record)
        columns = {name: [record.get(name) for record in records] for name in names}
        yield block.select(pl.col("line").alias("@line"), *(_texts(name, v) for name, v in columns.items()))
    columns_to_read(path, there, required, optional)


def _record(text: str, names: list[str], case: Callable) -> dict | None:
    """Return a JSON object with its values of `names` as texts or lists of texts; None where it is malformed."""
    try:
        record = {case(name): flat(value) for name, value in json.loads(text).items()}
        kinds = {name: pl.List(pl.String) if isinstance(record.get(name), list) else pl.String for name in names}
        return record | {name: value_of(record[name], kind) for name, kind in kinds.items() if name in record}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def _texts(name: str, values: list) -> pl.Series:
    """Return texts, or lists of texts where one value is a list."""
    if any(isinstance(value, list) for value in values):
        return pl.Series(name, [value_of(value, pl.List(pl.String)) for value in values], dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=pl.String)
