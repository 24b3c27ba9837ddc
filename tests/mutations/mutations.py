"""Mutations of a file's bytes, as hypothesis draws them."""

import gzip
import re

from hypothesis import strategies as st

ODD = [
    b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3", b"\xe9", b"\xed\xa0\x80", b"\r", b"\n", b"\r\n", b"\t", b"\x1a", b"\x85", b" ",
    "\u2028".encode(), b"\\ud800", b"\\u0000", b'"', b"'", b"\\", b",", b":", b"|", b"{", b"}", b"[", b"]", b"[]", b"{}", b"null",
    b"true", b"NaN", b"Infinity", b"-inf", b"1e999", b"-0", b"9" * 19, b"9" * 40, b"9" * 5000, b"1_000", b"0x1F", b"1e5", b"-1", b"2.5",
    "٣".encode(), b"[" * 3000, b"- " * 200, b"x" * 300, b"../../etc/passwd", b"=1+1", b"$(touch mark)", b"!!python/object/apply:os.getcwd []",
    b"&a [*a]", b"*b", b"<<:", b"? ", b"| ", b"%", b"@", b"`", b"#", b"2024-02-31", b"12:30:45", b"0o7", b"~", "e\u0301".encode(), b"\x1f\x8b",
]  # fmt: skip
NUMBER = re.compile(rb"-?\b\d+(?:\.\d+)?\b")
VALUE = re.compile(rb"(?<=[:\t,;|= ])[^:\t,;|=\n]*")


def replace(pattern: re.Pattern, data: bytes, place: int, odd: bytes) -> bytes:
    """Return data with one of what a pattern finds replaced."""
    spans = [match.span() for match in pattern.finditer(data)]
    if not spans:
        return odd
    start, end = spans[place % len(spans)]
    return data[:start] + odd + data[end:]


def on_lines(change):
    """Return the mutation of a file by a change of its list of lines."""

    def mutate(data: bytes, place: int, odd: bytes) -> bytes:
        lines = data.split(b"\n")
        return b"\n".join(change(lines, place % len(lines), odd))

    return mutate


def twice(data: bytes, place: int, _: bytes) -> bytes:
    """Return data with one of its columns twice in each line."""
    separator = next((mark for mark in (b"\t", b",", b" ") if mark in data), b",")
    rows = [line.split(separator) for line in data.split(b"\n")]
    return b"\n".join(separator.join([*row, row[place % len(row)]]) if row != [b""] else b"" for row in rows)


PLAIN = {
    "odd": lambda data, place, odd: data[: place % (len(data) + 1)] + odd + data[place % (len(data) + 1) :],
    "flip": lambda data, place, odd: flip(data, place),
    "cut": lambda data, place, odd: data[: place % (len(data) + 1)],
    "without": lambda data, place, odd: data[: place % (len(data) + 1)] + data[place % (len(data) + 1) + len(odd) :],
    "again": lambda data, place, odd: data[: place % (len(data) + 1)] + data[place // 3 % (len(data) + 1) :],
    "whole": lambda data, place, odd: odd,
    "gzip": lambda data, place, odd: gzip.compress(data, mtime=0),
    "gzip cut": lambda data, place, odd: gzip.compress(data, mtime=0)[: -1 - place % 40],
    "gzip flip": lambda data, place, odd: flip(gzip.compress(data, mtime=0), place),
    "gzip of two": lambda data, place, odd: gzip.compress(data, mtime=0) + gzip.compress(odd, mtime=0),
}  # fmt: skip
TEXTUAL = {
    "mark": lambda data, place, odd: b"\xef\xbb\xbf" + data,
    "carriage returns": lambda data, place, odd: data.replace(b"\n", b"\r\n"),
    "old carriage returns": lambda data, place, odd: data.replace(b"\n", b"\r"),
    "wide": lambda data, place, odd: data.decode("latin-1").encode("utf-16"),
    "latin": lambda data, place, odd: data.decode("utf-8", "replace").encode("latin-1", "replace"),
    "number": lambda data, place, odd: replace(NUMBER, data, place, odd),
    "value": lambda data, place, odd: replace(VALUE, data, place, odd),
    "column twice": twice,
    "line twice": on_lines(lambda lines, at, odd: [*lines[: at + 1], *lines[at:]]),
    "line gone": on_lines(lambda lines, at, odd: [*lines[:at], *lines[at + 1 :]]),
    "line indented": on_lines(lambda lines, at, odd: [*lines[:at], b"  " + lines[at], *lines[at + 1 :]]),
    "line replaced": on_lines(lambda lines, at, odd: [*lines[:at], odd, *lines[at + 1 :]]),
    "lines turned": on_lines(lambda lines, at, odd: [*lines[at:], *lines[:at]]),
}  # fmt: skip


def flip(data: bytes, place: int) -> bytes:
    """Return data with one bit flipped."""
    if not data:
        return data
    at = place // 8 % len(data)
    return data[:at] + bytes([data[at] ^ 1 << place % 8]) + data[at + 1 :]


def mutated(data: bytes, steps) -> bytes:
    """Return data after steps of (name, place, odd)."""
    for name, place, odd in steps:
        data = (PLAIN | TEXTUAL)[name](data, place, odd)
    return data


def steps(binary: bool):
    """Return the strategy of one to three steps."""
    names = [*PLAIN, *["flip"] * 6, *["odd"] * 3] if binary else [*PLAIN, *TEXTUAL, *["odd", "value", "number"] * 3]
    odd = st.sampled_from(ODD) | st.binary(max_size=12)
    return st.lists(st.tuples(st.sampled_from(names), st.integers(0, 2**20), odd), min_size=1, max_size=3)
