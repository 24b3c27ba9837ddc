"""A parser of lists that are written as text."""

import ast
import json
import re

import polars as pl
from polars.datatypes import DataTypeClass

from ptebench.errors import InputError
from ptebench.raw.columns import flat

# a list that stands in a table as text: of Python, NumPy, JSON and R
LISTED = r"(?s)^\s*(?:\[.*\]|(?:c|list|set|frozenset|character)?\(.*\)|(?:frozenset\()?\{.*\}\)?)\s*$"
LITERAL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
# what stands between the texts of such a list
BETWEEN = r"(?:[\[\](){}\s,]|None|null|NULL|nan|NaN|NA|array|dtype=\w+|c\b|list|(?:frozen)?set|character\(0\))*"
# a list of texts without quotes, as DuckDB, PostgreSQL and Spark write it, its texts, and a mapping
BARE = r"(?s)^\s*(?:\[([^\[\]]*)\]|\{([^{}]*)\}|WrappedArray\(([^()]*)\))\s*$"
BARE_TEXT = r"""\s*(?:'[^']*'|"[^"]*"|[^,]+)"""
MAPPING = r"""^\s*[\[({]*\{\s*['"]?\w+['"]?\s*:"""


def unquote(text: pl.Expr) -> pl.Expr:
    """Return the items of a list of words without quotes, such as [a, b]; null where text is no such list."""
    inner = pl.coalesce(text.str.extract(BARE, group) for group in (1, 2, 3))
    return inner.str.extract_all(BARE_TEXT).list.eval(pl.element().str.strip_chars(" \t\n'\""))


def parse_list(text: str) -> list[str] | None:
    """Return the texts of a list that Python, NumPy or JSON wrote; None where `text` is no such list."""
    try:
        if re.fullmatch(BETWEEN, re.sub(LITERAL, "", text, flags=re.S)):
            return [str(ast.literal_eval(one)) for one in re.findall(LITERAL, text, flags=re.S)]
        numbers = json.loads(text)
        return [str(one) for one in numbers] if all(isinstance(one, (int, float)) for one in numbers) else None
    except (ValueError, SyntaxError, RecursionError):
        return None


def lists(column: pl.Series, place: str) -> pl.Series:
    """Return a column as lists of texts: a text becomes a list of one, nested lists are flattened, lists parsed.

    Raises InputError for what is neither text nor number.
    """
    kind: pl.DataType | DataTypeClass = column.dtype
    depth = 0
    while isinstance(kind, (pl.List, pl.Array)):
        kind, depth = kind.inner, depth + 1
    if kind.is_nested() or kind in (pl.Duration, pl.Object):
        raise InputError(f"{place} holds {kind}; expected text, a number or lists of these: convert the column")
    if depth > 1 or isinstance(column.dtype, pl.Array):
        column = pl.Series([flat(value) for value in column.to_list()], dtype=pl.List(kind))
    if depth:
        return column.cast(pl.List(pl.String))
    text = column.cast(pl.String)
    is_list_text = text.str.contains(LISTED).fill_null(False)
    if not is_list_text.any():
        return (
            text.alias("text")
            .to_frame()
            .select(pl.when(pl.col("text").is_not_null()).then(pl.concat_list("text")))["text"]
        )
    values = [
        texts if of_list and (texts := parse_list(value)) is not None else value and [value]
        for value, of_list in zip(text, is_list_text, strict=True)
    ]
    return pl.Series(values, dtype=pl.List(pl.String))
