"""Tables: cells, metrics and comparisons."""

import re
from difflib import get_close_matches
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ptebench.config.base import EachOnce, Names, Settings

METRICS = ("HR", "Recall", "Precision", "NDCG", "MAP", "MRR")


def _metric(name: str) -> str:
    """Return the name of a metric; raise ValueError where it is none."""
    metric, _, k = name.partition("@")
    if metric not in METRICS or not re.fullmatch(r"[1-9]\d*", k):
        alike = {metric.lower(): metric for metric in METRICS}
        near = get_close_matches(metric.lower(), alike, n=1, cutoff=0.0)[0]
        cut = k if re.fullmatch(r"[1-9]\d*", k) else "10"
        raise ValueError(
            f"expected METRIC@K with a metric of {', '.join(METRICS)}; did you mean '{alike[near]}@{cut}'?"
        )
    return name


Metric = Annotated[str, AfterValidator(_metric)]


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
    """Metrics at a cut-off, each a column: HR, Recall, Precision, NDCG, MAP or MRR, such as `NDCG@10`."""
    rankings: Annotated[list[str], Field(min_length=1), EachOnce] = ["full"]
    """Rankings of the protocols, such as `full` or `zero_shot`."""
    groups: Annotated[list[str], Field(min_length=1), EachOnce] = ["overall"]
    """Groups of test events, such as `overall` or `item_tail`."""
    compare: Literal["best_other", "id", "each"] = "best_other"
    """What a row's mark compares it with: the best other row, the backbone's row of ids, or each other row."""
