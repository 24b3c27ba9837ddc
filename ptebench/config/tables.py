"""Tables: which cells, what is measured of them, and how they stand side by side."""

from typing import Annotated, Literal

from pydantic import Field

from ptebench.config.base import EachOnce, Names, Settings

Metric = Annotated[str, Field(pattern=r"^(HR|Recall|NDCG|MRR)@[1-9]\d*$")]


class Rows(Settings):
    """A block of a table: every backbone with every representation."""

    backbones: Names
    """Names under `backbones`."""
    representations: Names = ["id"]
    """Names under `representations`."""


class TableSettings(Settings):
    """A grid of cells, its metrics, and the published table to stand beside it."""

    title: str
    """Heading of the table."""
    datasets: Names
    """Names under `datasets`."""
    protocols: Names
    """Names under `protocols`."""
    rows: list[Rows] = Field(min_length=1)
    """Blocks of rows, from top to bottom."""
    metrics: Annotated[list[Metric], Field(min_length=1), EachOnce] = ["NDCG@10", "MRR@10"]
    """Metrics at a cut-off, each a column."""
    rankings: Annotated[list[str], Field(min_length=1), EachOnce] = ["full"]
    """Rankings of the protocols, such as `full` or `zero_shot`."""
    groups: Annotated[list[str], Field(min_length=1), EachOnce] = ["overall"]
    """Groups of test events, such as `overall` or `item_tail`."""
    compare: Literal["best_other", "id", "each"] = "best_other"
    """What a row's mark compares it with: the best other row, the backbone's row of ids, or each other row."""
