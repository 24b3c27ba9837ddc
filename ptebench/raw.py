"""Raw files, plain or gzip: blocks of numbered lines, their decoding, and one account of malformed ones."""

import ast
import csv
import gzip
import json
import math
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl

from ptebench.files import InputError

BLOCK = 1 << 22  # bytes read at once: decoding JSON takes some forty times as much memory
ATOMIC = ("token", "token_seq", "float", "float_seq")  # types in the first line of RecBole's files
# what pandas, NumPy, R, SQL and Excel write where there is nothing
MISSING = ["", "nan", "NaN", "-nan", "inf", "-inf", "NaT", "None", "null", "NULL", "<NA>", "NA", "N/A", "n/a", "#N/A"]
WHOLE = r"^(-?\d+)\.0+$"
ROUNDED = r"^-?\d+(\.\d+)?[eE]\+\d+$"  # a long number as spreadsheets show it: its last digits are gone
csv.field_size_limit(BLOCK)  # a description may be longer than Python's limit


def present(text: pl.Expr) -> pl.Expr:
    """Return text without blanks at its ends, null where it says that there is nothing."""
    text = text.str.strip_chars()
    return pl.when(~text.is_in(MISSING)).then(text)


def ids(column: pl.Expr) -> pl.Expr:
    """Return ids as text, 7 also where a tool that took them for numbers wrote 7.0; null where digits are lost."""
    text = present(column.cast(pl.String, strict=False)).str.replace(WHOLE, "$1")
    return pl.when(~text.str.contains(ROUNDED)).then(text)


class Malformed:
    """The account of malformed lines: skipped and counted up to `limit`, an InputError beyond it."""

    def __init__(self, limit: int | None = 0):
        self.limit, self.count = limit or 0, 0
        # without a limit there is no setting to raise
        self.mend = "mend the line" + (
            f", or raise max_bad_rows (now {limit}) to skip and count such lines" if limit is not None else ""
        )

    def add(self, path: Path, lines: pl.DataFrame, expected: str) -> None:
        """Count the rows of `lines` (line, text); raise InputError naming the first beyond the limit."""
        self.count += lines.height
        if self.count > self.limit:
            line, text = lines.select("line", "text").row(lines.height - (self.count - self.limit))
            raise InputError(f"{path}: line {line}: expected {expected}, found {str(text or '')[:80]!r}; {self.mend}")

    def keep(self, path: Path, lines: pl.DataFrame, good: pl.Expr, expected: str) -> pl.DataFrame:
        """Return the rows of `lines` (line, text, ...) where `good` is true; `add` the others."""
        good = good.fill_null(False)
        if (bad := lines.filter(~good)).height:
            self.add(path, bad, expected)
            lines = lines.filter(good)
        return lines


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines, decompressed."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration and data_root")
    with open(path, "rb") as stream:
        # by content: publishers' mirrors serve .gz names already decompressed, and the other way round
        packed = stream.read(2) == b"\x1f\x8b"
    rest = b""
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            while data := stream.read(BLOCK):
                head, newline, tail = (rest + data).rpartition(b"\n")
                if newline:
                    yield head + newline
                rest = tail
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    if rest:
        yield rest


def lines(path: Path, encoding: str = "utf-8") -> Iterator[pl.DataFrame]:
    """Yield blocks of a text file as frames (line: 1-based number, text), blank lines left out.

    Raises InputError for a missing, empty, truncated or wrongly encoded file.
    """
    first, empty = 1, True
    for block in _chunks(Path(path)):
        if first == 1:
            # some editors put a mark before UTF-8, which would become part of the first field
            block = block.removeprefix(BOM_UTF8)
            if b"\n" not in block:  # the whole file, whose lines may end as on old Macs
                block = block.replace(b"\r", b"\n")
        try:
            text = block.decode(encoding)
        except UnicodeDecodeError as error:
            number = first + block.count(b"\n", 0, error.start)
            raise InputError(
                f"{path}: line {number}: not {encoding} text ({error.reason}); save it as {encoding}"
            ) from error
        frame = pl.select(text=pl.lit(text).str.split("\n").explode().str.strip_chars_end("\r"))
        frame = frame.with_row_index("line", first).filter(pl.col("text").str.strip_chars() != "")
        if frame.height:
            empty = False
            yield frame
        first += block.count(b"\n")
    if empty:
        raise InputError(f"{path}: the file is empty; fetch it again")


def _value(value, kind):
    """Return a JSON value as `kind`; a lone string where a list belongs becomes a list of one."""
    if value is None:
        return None
    if isinstance(kind, pl.List) and isinstance(value, (str, list, tuple)):
        return [_value(v, kind.inner) for v in ([value] if isinstance(value, str) else value)]
    if kind == pl.String and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        value = int(value) if isinstance(value, float) and value.is_integer() else value
        return str(value).encode().decode()  # a lone surrogate is no text: UnicodeEncodeError, a ValueError
    if kind.is_numeric() and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            return None
        value = int(value) if kind.is_integer() else float(value)
        if kind.is_float() or -(2**63) <= value < 2**63:
            return value
    raise TypeError(f"{value!r} is not {kind}")


class _NoNumbers(ast.NodeTransformer):
    """Puts numbers in the place of the names by which Python writes nan and inf."""

    def visit_Name(self, node):
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node


def _from_literal(text: str):
    return ast.literal_eval(_NoNumbers().visit(ast.parse(text.strip(), mode="eval")))


def _one_by_one(texts: pl.Series, fields: dict, decoder: Callable) -> pl.Series:
    """Return a struct of `fields` per text, null where the decoder or the type of a value refuses it."""

    def decode(text):
        try:
            record = decoder(text)
            return {name: _value(record.get(name), kind) for name, kind in fields.items()}
        # what the two decoders raise on text that is none of theirs, or nested beyond their depth
        except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError, OverflowError):
            return None

    return pl.Series([decode(text) for text in texts], dtype=pl.Struct(fields))


def json_lines(path: Path, fields: dict, required: list[str], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a JSON-lines file as frames with `line`, `text` and `fields` (name -> polars type).

    A line that is no JSON object, has a value of another type, or lacks one of `required` is malformed.
    """
    for block in lines(path):
        try:
            decoded = block["text"].str.json_decode(pl.Struct(fields))
        except pl.exceptions.PolarsError:
            decoded = None
        # one line that the vectorised decoder refuses fails its whole block; an object over two lines it counts as one
        if decoded is None or len(decoded) != block.height:
            decoded = _one_by_one(block["text"], fields, json.loads)
        yield _with_fields(path, block, decoded, required, malformed, "a JSON object")


def literal_lines(path: Path, fields: dict, required: list[str], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a file of Python dicts, one a line, as `json_lines` does; literals are read, nothing runs."""
    for block in lines(path):
        decoded = _one_by_one(block["text"], fields, _from_literal)
        yield _with_fields(path, block, decoded, required, malformed, "a Python dict")


def _with_fields(path, block, decoded, required, malformed, what) -> pl.DataFrame:
    """Return the lines of a block that have what is required, with what was decoded from them."""
    block = block.with_columns(decoded.struct.unnest())
    block = block.with_columns(present(pl.col(name)) for name in required if block.schema[name] == pl.String)
    return malformed.keep(
        path, block, pl.all_horizontal(pl.col(required).is_not_null()), f"{what} with {', '.join(required)}"
    )


def table_blocks(
    path: Path, required: list[str], malformed: Malformed, optional: Iterable[str] = (), lower: bool = False
) -> Iterator[pl.DataFrame]:
    """Yield blocks of a table with the `required` columns and those of `optional` that it has, gzip or plain.

    Column `@line` is the line (of Parquet: the row) a record came from, 1-based. The format follows the name:
    .csv, .tsv, .txt (as TSV), .inter, .item (RecBole's), .parquet (one block), .json, .jsonl, each also with .gz.
    Columns are text, in JSON lines also lists of texts, in Parquet of any type; `lower` reads their names in lower
    case. Raises InputError naming a required column that is missing and those that are there.
    """
    path = Path(path)
    suffix = next((s for s in map(str.lower, reversed(path.suffixes)) if s != ".gz"), "")
    case = str.lower if lower else str
    if suffix == ".parquet":
        yield _parquet(path, required, optional, case)
    elif suffix in (".json", ".jsonl"):
        yield from _records(path, required, optional, malformed, case)
    elif suffix in (".csv", ".tsv", ".txt", ".inter", ".item"):
        yield from _separated(path, suffix, required, optional, malformed, case)
    else:
        raise InputError(
            f"{path}: unknown format {suffix!r}; expected .csv, .tsv, .txt, .inter, .item, .parquet, .json or .jsonl"
        )


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


def _wanted(path: Path, there: Collection[str], required: list[str], optional: Iterable[str]) -> list[str]:
    """Return the columns to read; raise InputError for a required one that is not there."""
    if missing := [name for name in required if name not in there]:
        raise InputError(
            f"{path}: column {missing[0]!r} is missing; it has {', '.join(there)}; "
            "name the columns of the file in the configuration"
        )
    return [name for name in dict.fromkeys([*required, *optional]) if name in there]


def _parquet(path: Path, required: list[str], optional: Iterable[str], case: Callable) -> pl.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration and data_root")
    try:
        there = {case(name): name for name in pl.read_parquet_schema(path)}
        names = _wanted(path, there, required, optional)
        frame = pl.read_parquet(path, columns=[there[name] for name in names])
        frame = frame.select(pl.col(there[name]).alias(name) for name in names)
        # some writers do not say that their texts are texts, others that they are one of few
        return frame.with_columns(pl.col(pl.Binary, pl.Categorical, pl.Enum).cast(pl.String)).with_row_index("@line", 1)
    except (pl.exceptions.PolarsError, OSError) as error:
        told = str(error).splitlines()[0]
        raise InputError(f"{path}: not readable as parquet ({told}); fetch it again, or convert the column") from error


def _records(
    path: Path, required: list[str], optional: Iterable[str], malformed: Malformed, case: Callable
) -> Iterator[pl.DataFrame]:
    """Yield JSON lines with all columns asked for; one is there if any record of the file names it."""
    names = list(dict.fromkeys([*required, *optional]))
    there: dict[str, None] = {}
    for block in lines(path):
        decoded = [_record(text, names, case) for text in block["text"]]
        good = pl.lit(pl.Series([record is not None for record in decoded], dtype=pl.Boolean))
        block = malformed.keep(
            path, block, good, f"a JSON object in a line of its own, with texts, numbers or lists as {', '.join(names)}"
        )
        records = [record for record in decoded if record is not None]
        there |= dict.fromkeys(name for record in records for name in record)
        values = {name: [record.get(name) for record in records] for name in names}
        yield block.select(pl.col("line").alias("@line"), *(_texts(name, v) for name, v in values.items()))
    _wanted(path, there, required, optional)


def _record(text: str, names: list[str], case: Callable) -> dict | None:
    """Return a JSON object with its values of `names` as texts or lists of texts; None where it is malformed."""
    try:
        record = {case(name): flat(value) for name, value in json.loads(text).items()}
        kinds = {name: pl.List(pl.String) if isinstance(record.get(name), list) else pl.String for name in names}
        return record | {name: _value(record[name], kind) for name, kind in kinds.items() if name in record}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None


def flat(value):
    """Return a list of lists as one list."""
    if not isinstance(value, list):
        return value
    return [one for part in value for one in (flat(part) if isinstance(part, list) else [part])]


def _texts(name: str, values: list) -> pl.Series:
    """Return texts, or lists of texts where one value is a list."""
    if any(isinstance(value, list) for value in values):
        return pl.Series(name, [_value(value, pl.List(pl.String)) for value in values], dtype=pl.List(pl.String))
    return pl.Series(name, values, dtype=pl.String)


def _separated(
    path: Path, suffix: str, required, optional, malformed: Malformed, case: Callable
) -> Iterator[pl.DataFrame]:
    """Yield CSV or tab-separated text whose first line names the columns; RecBole's files know no quotes."""
    separator, atomic = "," if suffix == ".csv" else "\t", suffix in (".inter", ".item")
    blocks = lines(path)
    first = next(blocks)
    line, text = first.row(0)
    names = [case(name.strip()) for name in (text.split(separator) if atomic else _fields(text, separator))]
    if atomic:
        names = [_untyped(name, f"{path}: line {line}") for name in names]
    wanted = _wanted(path, names, required, optional)
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise InputError(f"{path}: line {line}: two columns are named {twice[0]!r}; rename one")
    blocks, empty = chain([first[1:]], blocks), True
    for block, fields in _split(blocks) if atomic else _quoted(path, blocks, malformed, separator):
        empty &= block.is_empty()
        # spreadsheets write separators alone for rows without anything
        block = block.with_columns(fields.alias("@fields")).filter(~pl.col("text").str.contains(f"^[{separator} ]+$"))
        whole = pl.col("@fields").list.len() == len(names)
        block = malformed.keep(path, block, whole, f"{len(names)} fields, {separator.join(names)}")
        columns = [pl.col("@fields").list.get(names.index(name)).replace("", None).alias(name) for name in wanted]
        yield block.select(pl.col("line").alias("@line"), *columns)
    if empty:
        raise InputError(f"{path}: line {line}: no line below the names of the columns; fetch the file again")


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
