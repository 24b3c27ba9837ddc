"""Raw files, plain or gzip: blocks of numbered lines, JSON lines, and one account of malformed ones."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import polars as pl
from ptebench.files import InputError

BLOCK = 1 << 22  # bytes read at once: decoding JSON takes some forty times as much memory


class Malformed:
    """The account of malformed lines: skipped and counted up to `limit`, an InputError beyond it."""

    def __init__(self, limit: int = 0):
        self.limit, self.count = limit, 0

    def add(self, path: Path, lines: pl.DataFrame, expected: str) -> None:
        """Count the rows of `lines` (line, text); raise InputError naming the first beyond the limit."""
        self.count += lines.height
        if self.count > self.limit:
            line, text = lines.select("line", "text").row(lines.height - (self.count - self.limit))
            raise InputError(
                f"{path}: line {line}: expected {expected}, found {str(text)[:80]!r}; mend the line, or raise "
                f"max_bad_rows (now {self.limit}) to skip and count such lines"
            )


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines, decompressed."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path in the configuration and data_root")
    with open(path, "rb") as stream:
        # by content: publishers' mirrors serve .gz names already decompressed, and the other way round
        packed = stream.read(2) == b"\x1f\x8b"
    rest, empty = b"", True
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            while data := stream.read(BLOCK):
                empty = False
                head, newline, tail = (rest + data).rpartition(b"\n")
                if newline:
                    yield head + newline
                rest = tail
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a whole gzip file ({error}); fetch it again") from error
    if empty:
        raise InputError(f"{path}: the file is empty; fetch it again")
    if rest:
        yield rest


def lines(path: Path, encoding: str = "utf-8") -> Iterator[pl.DataFrame]:
    """Yield blocks of a text file as frames (line: 1-based number, text), blank lines left out.

    Raises InputError for a missing, empty, truncated or wrongly encoded file.
    """
    first = 1
    for block in _chunks(Path(path)):
        try:
            text = block.decode(encoding)
        except UnicodeDecodeError as error:
            number = first + block.count(b"\n", 0, error.start)
            raise InputError(f"{path}: line {number}: not {encoding} text ({error.reason})") from error
        frame = pl.select(text=pl.lit(text).str.split("\n").explode().str.strip_chars_end("\r"))
        yield frame.with_row_index("line", first).filter(pl.col("text").str.strip_chars() != "")
        first += block.count(b"\n")


def _value(value, kind):
    """Return a JSON value as `kind`; a lone string where a list belongs becomes a list of one."""
    if value is None:
        return None
    if isinstance(kind, pl.List):
        return [_value(v, kind.inner) for v in ([value] if isinstance(value, str) else value)]
    if kind == pl.String and isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    if kind.is_numeric() and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise TypeError(f"{value!r} is not {kind}")


def _one_by_one(frame: pl.DataFrame, fields: dict) -> pl.Series:
    """Decode lines that the vectorised decoder refused; null where a line is malformed."""

    def decode(text):
        try:
            record = json.loads(text)
            return {name: _value(record.get(name), kind) for name, kind in fields.items()}
        except (ValueError, TypeError, AttributeError):
            return None

    return pl.Series([decode(text) for text in frame["text"]], dtype=pl.Struct(fields))


def json_lines(path: Path, fields: dict, required: list[str], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a JSON-lines file as frames with `line` and `fields` (name -> polars type).

    A line that is no JSON object, has a value of another type, or lacks one of `required` is malformed.
    """
    for block in lines(path):
        try:
            decoded = block["text"].str.json_decode(pl.Struct(fields))
        except pl.exceptions.PolarsError:
            decoded = _one_by_one(block, fields)
        frame = block.with_columns(decoded.struct.unnest())
        bad = frame.filter(pl.any_horizontal(pl.col(required).is_null()))
        if bad.height:
            malformed.add(path, bad, f"a JSON object with {', '.join(required)}")
            frame = frame.filter(pl.all_horizontal(pl.col(required).is_not_null()))
        yield frame.drop("text")


def table(path: Path, required: list[str], malformed: Malformed) -> pl.DataFrame:
    """Read a CSV, TSV, Parquet or JSON-lines file with a header, gzip or plain; CSV and TSV columns are text.

    Column `@line` is the line (of Parquet: the row) a record came from, 1-based. The format follows the name:
    .csv, .tsv, .txt (as TSV), .parquet, .json, .jsonl, each also with .gz. Raises InputError naming a required
    column that is missing and those that are there.
    """
    path = Path(path)
    suffix = next((s for s in reversed(path.suffixes) if s != ".gz"), "")
    if suffix == ".parquet":
        if not path.is_file():
            raise InputError(f"{path}: no such file; check the path in the configuration and data_root")
        try:
            frame = pl.read_parquet(path).with_row_index("@line", 1)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise InputError(f"{path}: not readable as parquet ({error}); fetch it again") from error
    elif suffix in (".json", ".jsonl"):
        frame = pl.concat([_records(path, block, malformed) for block in lines(path)], how="diagonal_relaxed")
    elif suffix in (".csv", ".tsv", ".txt"):
        frame = _separated(path, "," if suffix == ".csv" else "\t", malformed)
    else:
        raise InputError(f"{path}: unknown format {suffix!r}; expected .csv, .tsv, .txt, .parquet, .json or .jsonl")
    if missing := [name for name in required if name not in frame.columns]:
        raise InputError(
            f"{path}: column {missing[0]!r} is missing; it has {', '.join(frame.columns[1:])}; "
            "name the columns of the file in the configuration"
        )
    return frame


def _records(path: Path, block: pl.DataFrame, malformed: Malformed) -> pl.DataFrame:
    """Read JSON lines of any fields, types inferred."""
    objects = block["text"].map_elements(_is_object, return_dtype=pl.Boolean)
    if not objects.all():
        malformed.add(path, block.filter(~objects), "a JSON object")
        block = block.filter(objects)
    frame = pl.read_ndjson("\n".join(block["text"]).encode(), infer_schema_length=None)
    return frame.insert_column(0, block["line"].alias("@line"))


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _separated(path: Path, separator: str, malformed: Malformed) -> pl.DataFrame:
    """Read CSV (with quotes) or TSV (without) whose first line names the columns."""
    blocks = lines(path)
    first = next(blocks)
    quoting = csv.QUOTE_MINIMAL if separator == "," else csv.QUOTE_NONE
    names = [name.strip() for name in next(csv.reader([first["text"][0]], delimiter=separator, quoting=quoting))]
    expected = f"{len(names)} fields, {separator.join(names)}"
    frames = []
    for block in chain([first[1:]], blocks):
        if separator == "," and block["text"].str.contains('"', literal=True).any():
            block, fields = _quoted(block)
        else:
            fields = block["text"].str.split(separator)
        good = fields.list.len() == len(names)
        if not good.all():
            malformed.add(path, block.filter(~good), expected)
        columns = fields.filter(good).list.to_struct(fields=names).struct.unnest()
        frames.append(
            columns.with_columns(pl.col(pl.String).replace("", None)).insert_column(
                0, block.filter(good)["line"].alias("@line")
            )
        )
    return pl.concat(frames)


def _quoted(block: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Split lines of quoted CSV; a record over several lines keeps the number of its first."""
    reader = csv.reader(f"{text}\n" for text in block["text"])
    starts, rows, start = [], [], 0
    for row in reader:
        starts.append(start)
        rows.append(row)
        start = reader.line_num
    return block[starts], pl.Series(rows, dtype=pl.List(pl.String))
