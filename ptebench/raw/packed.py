"""Files that may be packed by gzip, with a bound to what comes out of a small one."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ptebench.errors import InputError, absence

GZIP = b"\x1f\x8b"
FREE = 1 << 30  # bytes that every file may unpack to
RATIO = 200  # beyond that, times its size: text packs to a tenth, gzip can do a thousandth


class Bounded:
    """A stream of which no more than `left` bytes are read."""

    def __init__(self, path: Path, stream: BinaryIO, left: int):
        self.path, self.stream, self.left = path, stream, left

    def _counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise InputError(
                f"{self.path}: it unpacks to more than {RATIO} times its size, as no text does; fetch it again, or "
                "unpack it yourself if that is right"
            )
        return data

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes, or what there is."""
        return self._counted(self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1))

    def readline(self) -> bytes:
        """Return the bytes up to the end of the line."""
        return self._counted(self.stream.readline(self.left + 1))


@contextmanager
def unpack(path: Path) -> Iterator[Bounded]:
    """Yield the content of a file, unpacked where its first bytes say gzip: mirrors serve .gz names unpacked, too.

    Raises InputError for one that is not there, or that unpacks to far more than its size.
    """
    if not path.is_file():
        raise InputError(f"{path}: {absence(path)}; check the path in the configuration and data_root")
    with open(path, "rb") as plain:
        is_gzip = plain.read(len(GZIP)) == GZIP
        plain.seek(0)
        size = path.stat().st_size
        if is_gzip:
            with gzip.GzipFile(fileobj=plain) as stream:
                yield Bounded(path, stream, max(FREE, RATIO * size))  # type: ignore[arg-type]
        else:
            yield Bounded(path, plain, max(FREE, size))
