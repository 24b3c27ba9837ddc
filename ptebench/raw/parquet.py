"""What a Parquet file says of its size, page by page, before any library makes room for it.

A page of some bytes may stand for a billion rows, or unpack to a gigabyte. The footer and the headers of pages are of
Thrift's compact protocol, in which a struct is a run of numbered fields.
"""

import mmap
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ptebench.errors import InputError
from ptebench.raw.packed import FREE, RATIO

MARK = b"PAR1"
VALUE = 16  # bytes of a value in memory, or of the place of a text
DEEPEST = 32  # structs and lists in others
Fields = dict[int, Any]


class Compact:
    """A reader of Thrift's compact protocol; what is cut short raises ValueError."""

    def __init__(self, data: mmap.mmap, at: int):
        self.data, self.at = data, at

    def byte(self) -> int:
        """Return the next byte."""
        if not 0 <= self.at < len(self.data):
            raise ValueError("it is cut short")
        self.at += 1
        return self.data[self.at - 1]

    def count(self) -> int:
        """Return the next number that has no sign."""
        total = 0
        for shift in range(0, 70, 7):
            total |= ((byte := self.byte()) & 127) << shift
            if byte < 128:
                return total
        raise ValueError("a number has no end")

    def number(self) -> int:
        """Return the next number."""
        return (coded := self.count()) >> 1 ^ -(coded & 1)

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if size > len(self.data) - self.at:
            raise ValueError("it is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def value(self, kind: int, depth: int) -> Any:
        """Return the next value of a kind; numbers, bytes, lists and structs alone are told apart."""
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self.byte()
        if kind in (4, 5, 6):
            return self.number()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.count())
        if kind in (9, 10):
            head = self.byte()
            size = self.count() if head >> 4 == 15 else head >> 4
            return [self.element(head & 15, depth) for _ in range(size)]
        if kind == 11:
            if size := self.count():
                kinds = self.byte()
                for _ in range(size):
                    self.element(kinds >> 4, depth), self.element(kinds & 15, depth)
            return None
        if kind == 12:
            return self.fields(depth + 1)
        raise ValueError(f"a value is of the kind {kind}, which there is not")

    def element(self, kind: int, depth: int) -> Any:
        """Return the next element of a list, where truth takes a byte."""
        if depth > DEEPEST:
            raise ValueError("its lists have no end")
        return self.byte() == 1 if kind in (1, 2) else self.value(kind, depth + 1)

    def fields(self, depth: int = 0) -> Fields:
        """Return the next struct, by the numbers of its fields."""
        if depth > DEEPEST:
            raise ValueError("its structs have no end")
        fields: Fields = {}
        last = 0
        while head := self.byte():
            last = last + (head >> 4) if head >> 4 else self.number()
            fields[last] = self.value(head & 15, depth)
        return fields


def check_size(path: Path, names: Collection[str]) -> None:
    """Raise InputError where the columns of a Parquet file stand for far more than its size, ValueError if damaged."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        most = max(FREE, RATIO * (size := len(data)))
        if size < 12 or data[-4:] != MARK:
            raise ValueError("it does not end as such a file")
        total = 0
        try:
            footer = Compact(data, size - 8 - struct.unpack("<I", data[-8:-4])[0]).fields()
            rows = max(footer[3], sum(group[3] for group in footer[4]))
            columns = [
                column[3] for group in footer[4] for column in group[1] if column[3][3][0].decode() in names
            ]  # fmt: skip
            total = VALUE * rows * len({column[3][0] for column in columns})
            for column in columns:
                for room in () if total > most else _rooms(data, column):
                    total += room
                    if total > most:
                        break
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"its metadata lack a part ({error})") from error
    if total > most:
        raise _bomb(path, most, size)


def check_texts(path: Path, frame: pl.DataFrame) -> None:
    """Raise InputError where texts that rows share take, each by itself, far more than the size of their file."""
    most = max(FREE, RATIO * (size := path.stat().st_size))
    if frame.estimated_size() > most:
        raise _bomb(path, most, size)


def _bomb(path: Path, most: int, size: int) -> InputError:
    return InputError(
        f"{path}: it stands for more than {most:,} bytes, of a file of {size:,}, as no data do; fetch it again, or "
        "save it as text if that is right"
    )


def _rooms(data: mmap.mmap, column: Fields) -> Iterator[int]:
    """Yield how many bytes each page of a column's chunk takes, with each value as long as the dictionary's mean."""
    starts = [at for at in (column.get(11), column[9]) if at]
    at, mean = min(starts), 0
    end = at + column[7]
    while at < end:
        page = Compact(data, at)
        header = page.fields()
        unpacked, packed = header[2], header[3]
        if unpacked < 0 or packed < 0:
            raise ValueError("the size of a page is negative")
        at = page.at + packed
        if (dictionary := header.get(7)) is not None:
            mean = unpacked // max(1, dictionary[1])
            yield unpacked
        else:
            values = (header.get(5) or header.get(8) or {1: 0})[1]
            if values < 0:
                raise ValueError("the count of a page's values is negative")
            yield unpacked + (VALUE + mean) * values
