"""Columns of raw files: which to read, what counts as nothing, ids, and values of JSON as a column's type."""

import math
import re
from collections.abc import Collection, Iterable
from pathlib import Path

import polars as pl

from ptebench.errors import InputError

# what pandas, NumPy, R, SQL and Excel write where there is nothing
MISSING = ["", "nan", "NaN", "-nan", "inf", "-inf", "NaT", "None", "null", "NULL", "<NA>", "NA", "N/A", "n/a", "#N/A"]
WHOLE = r"^(-?\d+)\.0+$"
ROUNDED = r"^-?\d+(\.\d+)?[eE]\+\d+$"  # a long number as spreadsheets show it: its last digits are gone
DATUM = r"-?\d[\d.:/ -]*"  # a number, a day or a time, in the place of a column's name
# what parts the fields of a line that was read as one, and the mend
MARKS = {
    "::": "name it .dat, as MovieLens' files are named", "\t": "name it .tsv", ",": "name it .csv",
    ";": "save it with commas, as .csv", "|": "save it with commas, as .csv", " ": "save it with tabs, as .tsv",
}  # fmt: skip
NAME_THEM = "write the columns' names into it, such as user_id,item_id,timestamp"


def owner_keys(side: str) -> tuple[str, ...]:
    """Return the columns that may name the owner of a text, the first that is there counts."""
    return f"{side}_id", "id", "uid"


def fault_of_names(names: Collection[str], mend: str = NAME_THEM) -> str:
    """Return why fields of a first line are no names of columns, and the mend; nothing where they may be."""
    line = ", ".join(names)[:80]
    if len(names) == 1 and (mark := next((mark for mark in MARKS if mark in line), None)):
        return f"its first line, {line}, has its fields separated by {mark!r}; {MARKS[mark]}"
    if any(re.fullmatch(DATUM, name) for name in names):
        return f"its first line, {line}, looks like data; {mend}"
    return ""


def columns_to_read(path: Path, there: Collection[str], required: list[str], optional: Iterable[str]) -> list[str]:
    """Return the columns to read; raise InputError for required ones that are not there."""
    if missing := [name for name in required if name not in there]:
        raise InputError(
            f"{path}: column {', '.join(map(repr, missing))} is missing; "
            + (fault_of_names(there) or f"it has {', '.join(there)}; name the columns of the file in the configuration")
        )
    return [name for name in dict.fromkeys([*required, *optional]) if name in there]


def present(text: pl.Expr) -> pl.Expr:
    """Return text without blanks at its ends, null where it says that there is nothing."""
    text = text.str.strip_chars()
    return pl.when(~text.is_in(MISSING)).then(text)


def ids(column: pl.Expr) -> pl.Expr:
    """Return ids as text, 7 also where a tool that took them for numbers wrote 7.0; null where digits are lost."""
    text = present(column.cast(pl.String, strict=False)).str.replace(WHOLE, "$1")
    return pl.when(~text.str.contains(ROUNDED)).then(text)


def refuse_repeats(path: Path, keys: pl.Series, lines: pl.Series) -> None:
    """Raise InputError where a key of owners stands in two `lines` of a table."""
    if (twice := keys.filter(keys.is_duplicated())).len():
        first, second, *_ = lines.filter(keys == twice[0])
        raise InputError(f"{path}: {twice[0]!r} stands in line {first} and in line {second}; expected one row an owner")


def value_of(value, kind):
    """Return a JSON value as `kind`; a lone string where a list belongs becomes a list of one."""
    if value is None:
        return None
    if isinstance(kind, pl.List) and isinstance(value, (str, list, tuple)):
        return [value_of(v, kind.inner) for v in ([value] if isinstance(value, str) else value)]
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


def flat(value):
    """Return a list of lists as one list."""
    if not isinstance(value, list):
        return value
    return [one for part in value for one in (flat(part) if isinstance(part, list) else [part])]
