"""RecLM: user x item matrices of two snapshots (npz or pickled scipy) and item texts with the column of each item."""

from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete
from ptebench.data.matrices import entries, read_npz
from ptebench.data.reading import Reading
from ptebench.data.unpickle import read_pickle
from ptebench.errors import InputError, absence
from ptebench.raw.lines import Malformed
from ptebench.raw.objects import json_lines

FIELDS = {
    "item_id": pl.String, "title": pl.String, "abstract": pl.String, "cate": pl.String, "sub_cate": pl.String,
    "year": pl.Int64, "train_col": pl.Int64, "test_col": pl.Int64,
}  # fmt: skip
LABELS = {"title": "Title", "year": "Year", "categories": "Categories", "description": "Abstract"}


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions (part train or test; no time is published), items and counts.

    A user is a row of both matrices; a column is the item whose `train_col` or `test_col` names it.
    """
    malformed = Malformed(settings["max_bad_rows"])
    texts = pl.concat(json_lines(paths["items"][0], FIELDS, ["item_id"], malformed))
    matrices = {part: _matrix(paths[part][0]) for part in ("train", "test")}
    users = matrices["train"].shape[0]
    if matrices["test"].shape[0] != users:
        raise InputError(
            f"{paths['test'][0]}: {matrices['test'].shape[0]} rows; expected the {users} users of {paths['train'][0]}"
        )
    frames = []
    for part, matrix in matrices.items():
        path = paths[part][0]
        column = texts.drop_nulls(f"{part}_col").unique(["item_id", f"{part}_col"], maintain_order=True)
        twice = column.filter(pl.col(f"{part}_col").is_duplicated())
        if twice.height:
            line, place = twice.select("line", f"{part}_col").row(1)
            raise InputError(f"{paths['items'][0]}: line {line}: {part}_col {place} belongs to another item already")
        names = np.full(matrix.shape[1], None, dtype=object)
        if len(column) and not column[f"{part}_col"].is_between(0, matrix.shape[1] - 1).all():
            raise InputError(f"{paths['items'][0]}: {part}_col beyond the {matrix.shape[1]} columns of {path}")
        names[column[f"{part}_col"].to_numpy()] = column["item_id"].to_list()
        item_ids = pl.Series(names[matrix.col].tolist(), dtype=pl.String)
        if (bare := item_ids.is_null()).any():
            raise InputError(
                f"{path}: column {matrix.col[bare.arg_true()[0]]} belongs to no item; expected it as {part}_col in "
                f"{paths['items'][0]}"
            )
        frames.append(pl.DataFrame({"user_id": matrix.row.astype(str), "item_id": item_ids, "part": part}))
    categories = pl.concat_list("cate", "sub_cate").list.drop_nulls()
    items = texts.with_columns(
        clean(pl.col("title")),
        pl.col("year").cast(pl.String),
        categories=categories,
        description=clean(pl.col("abstract")),
    )
    return Reading(complete_interactions(frames), complete(items, LABELS), malformed)


def _matrix(path: Path) -> sparse.coo_array:
    """Read a scipy sparse matrix; its non-zero entries are the interactions, row by row."""
    if not path.is_file():
        raise InputError(f"{path}: {absence(path)}; check the path in the configuration and data_root")
    matrix = read_npz(path) if path.suffix == ".npz" else read_pickle(path)
    if not sparse.issparse(matrix):
        raise InputError(f"{path}: a {type(matrix).__name__}; expected a scipy sparse matrix, users x items")
    try:
        return entries(matrix)
    except Exception as error:  # what a file says of itself fails in as many ways as scipy has kinds
        raise InputError(f"{path}: its matrix is damaged ({error}); fetch it again") from error
