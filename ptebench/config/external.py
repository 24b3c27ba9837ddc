"""External rows: lists of test events that were made elsewhere, by a peer's code."""

from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ptebench.config.backbones import Backbone
from ptebench.config.base import Place, Positive

PLACES = ("dataset", "protocol", "representation", "seed")  # what a path may have in braces


def _refuse_other_braces(path: str) -> str:
    try:
        names = [name for _, name, _, _ in Formatter().parse(path) if name is not None]
    except ValueError:
        names = [""]
    if other := [name for name in names if name not in PLACES]:
        raise ValueError(
            f"{{{other[0]}}} is no place in a path; expected {', '.join(f'{{{name}}}' for name in PLACES)}"
        )
    return path


Column = Annotated[int, Field(ge=1, strict=True)] | str
ListColumns = dict[Literal["user_id", "event", "item_id", "score", "rank"], Column]


class External(Backbone):
    """Ranked lists, or scores, of test events that were made elsewhere."""

    kind: Literal["external"]
    file: Annotated[Place, AfterValidator(_refuse_other_braces)]
    """File of lists, a row an item: CSV, TSV, Parquet, JSON lines, a TREC run; `{dataset}`, `{protocol}`,
    `{representation}` and `{seed}` in its path stand for those of the cell, and without `{seed}` there is one seed."""
    columns: ListColumns = {}
    """The file's columns for ours, where they have other names; of a file that does not name them their places, from
    1."""
    k: Positive = 10
    """Length that every list has at least, or all of an event's candidates; no metric is known beyond it."""
    ids: Literal["raw", "dense"] = "raw"
    """Whether users and items are told by the ids of the raw files, or by those of `vocabulary.parquet`."""
    missing: Literal["refuse", "last"] = "refuse"
    """What becomes of a test event without a list: the cell fails, or all its candidates are tied."""
    short: Literal["refuse", "last"] = "refuse"
    """What becomes of a list with fewer than `k` candidates: the cell fails, or those that it lacks are tied last."""
    unknown: Literal["refuse", "drop"] = "refuse"
    """What becomes of a row whose user or item the dataset does not have: the cell fails, or the row is left out."""

    @model_validator(mode="after")
    def _one_way_to_name_columns(self) -> Self:
        places = [isinstance(column, int) for column in self.columns.values()]
        if any(places) and not all(places):
            raise ValueError("columns: name all of them, or give the places of all")
        if any(places) and not ("item_id" in self.columns and {"user_id", "event"} & set(self.columns)):
            raise ValueError("columns: give the places of item_id and of user_id or event")
        return self
