"""Lines of raw files, plain or gzip, in numbered blocks, and one account of malformed ones."""

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ptebench.errors import InputError
from ptebench.raw.packed import unpack

BLOCK = 1 << 22  # bytes read at once: decoding JSON takes some forty times as much memory
LONGEST = 1 << 27  # bytes of a line, which is in memory as a whole


class Malformed:
    """The account of malformed lines: skipped and counted up to `limit`, an InputError beyond it; `first` tells one."""

    def __init__(self, limit: int | None = None):
        self.limit, self.count, self.first = limit or 0, 0, ""
        # without a limit there is no setting to raise
        self.mend = "mend the line" + (
            f", or raise max_bad_rows (now {limit}) to skip and count such lines" if limit is not None else ""
        )

    def add(self, path: Path, lines: pl.DataFrame, expected: str) -> None:
        """Count the rows of `lines` (line, text); raise InputError naming the first beyond the limit."""
        self.count += lines.height
        beyond = max(self.count - self.limit, 0)
        line, text = lines.select("line", "text").row(lines.height - beyond if beyond else 0)
        fault = f"{path}: line {line}: expected {expected}, found {str(text or '')[:80]!r}"
        if beyond:
            raise InputError(f"{fault}; {self.mend}")
        self.first = self.first or fault

    def keep(self, path: Path, lines: pl.DataFrame, good: pl.Expr, expected: str) -> pl.DataFrame:
        """Return the rows of `lines` (line, text, ...) where `good` is true; `add` the others."""
        good = good.fill_null(False)
        if (bad := lines.filter(~good)).height:
            self.add(path, bad, expected)
            lines = lines.filter(good)
        return lines


def _chunks(path: Path) -> Iterator[bytes]:
    """Yield blocks of whole lines, decompressed."""
    rest, number = b"", 1
    try:
        with unpack(path) as stream:
            while data := stream.read(BLOCK):
                head, newline, tail = (rest + data).rpartition(b"\n")
                if newline:
                    yield head + newline
                    number += head.count(b"\n") + 1
                if len(tail) > LONGEST:
                    raise InputError(f"{path}: line {number} is longer than {LONGEST:,} bytes; expected lines of text")
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
        raise InputError(f"{path}: the file is empty; fetch it or make it again")
