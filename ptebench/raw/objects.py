"""Files of one object a line, JSON or a Python dict, as frames of the fields asked for."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from ptebench.raw.columns import present, value_of
from ptebench.raw.lines import Malformed, lines


def json_lines(path: Path, fields: dict, required: list[str], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a JSON-lines file as frames with `line`, `text` and `fields` (name -> polars type).

    A line that is no JSON object, has a value of another type, or lacks one of `required` is malformed.
    """
    for block in lines(path):
        try:
            values = block["text"].str.json_decode(pl.Struct(fields))
        except pl.exceptions.PolarsError:
            values = None
        # one line that the vectorised decoder refuses fails its whole block; an object over two lines it counts as one
        if values is None or len(values) != block.height:
            values = _one_by_one(block["text"], fields, json.loads)
        yield _with_fields(path, block, values, required, malformed, "a JSON object")


def literal_lines(path: Path, fields: dict, required: list[str], malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield blocks of a file of Python dicts, one a line, as `json_lines` does; literals are read, nothing runs."""
    for block in lines(path):
        values = _one_by_one(block["text"], fields, _from_literal)
        yield _with_fields(path, block, values, required, malformed, "a Python dict")


def _with_fields(path, block, values, required, malformed, what) -> pl.DataFrame:
    """Return the lines of a block that have what is required, with what was decoded from them."""
    block = block.with_columns(values.struct.unnest())
    block = block.with_columns(present(pl.col(name)) for name in required if block.schema[name] == pl.String)
    return malformed.keep(
        path, block, pl.all_horizontal(pl.col(required).is_not_null()), f"{what} with {', '.join(required)}"
    )


def _one_by_one(texts: pl.Series, fields: dict, decoder: Callable) -> pl.Series:
    """Return a struct of `fields` per text, null where the decoder or the type of a value refuses it."""

    def decode(text):
        try:
            record = decoder(text)
            return {name: value_of(record.get(name), kind) for name, kind in fields.items()}
        # what the two decoders raise on text that is none of theirs, or nested beyond their depth
        except (ValueError, TypeError, AttributeError, SyntaxError, RecursionError, MemoryError, OverflowError):
            return None

    return pl.Series([decode(text) for text in texts], dtype=pl.Struct(fields))


def _from_literal(text: str):
    return ast.literal_eval(_NoNumbers().visit(ast.parse(text.strip(), mode="eval")))


class _NoNumbers(ast.NodeTransformer):
    """Puts numbers in the place of the names by which Python writes nan and inf."""

    def visit_Name(self, node):
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node
