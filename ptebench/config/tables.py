"""Tables: cells, metrics and comparisons."""

import re
from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ptebench.config.base import EachOnce, Names, Settings

LIST_MEANS = ("Novelty", "Diversity")  # over events
LIST_METRICS = ("Coverage", "Gini", *LIST_MEANS)
METRICS = ("HR", "Recall", "Precision", "NDCG", "MAP", "MRR", *LIST_METRICS)


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
ROW = r"^[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*$"


class Rows(Settings):
    """A block of a table: every backbone with every representation."""

    backbones: Names
    """Names under `backbones`."""
    representations: Names = ["id"]
    """Names under `representations`."""


class Claim(Settings):
    """What a table is expected to show; the table says under its panels whether it does."""

    row: Annotated[str, Field(pattern=ROW)]
    """The row that the claim is about, BACKBONE.REPRESENTATION."""
    above: Annotated[str, Field(pattern=ROW)] | None = None
    """The row that it is above, BACKBONE.REPRESENTATION; null: it is no better than a random order."""
    metric: Metric
    """The metric that shows it, one of the table's; of a random order `Recall@K`."""
    ranking: str = "full"
    """The ranking that shows it, one of the table's."""
    group: str = "overall"
    """The group of events that shows it, one of the table's."""
    because: str
    """Why, as the end of a sentence."""

    @model_validator(mode="after")
    def _chance_of_recall(self) -> Self:
        if self.above is None and not self.metric.startswith("Recall@"):
            raise ValueError(
                f"metric: {self.metric}; what a random order has is known of Recall@K; name that, or 'above'"
            )
        return self


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
    """Metrics at a cut-off, each a column: HR, Recall, Precision, NDCG, MAP or MRR, such as `NDCG@10`; of `lists`:
    Coverage, Gini, Novelty, Diversity."""
    rankings: Annotated[list[str], Field(min_length=1), EachOnce] = ["full"]
    """Rankings of the protocols, such as `full` or `zero_shot`."""
    groups: Annotated[list[str], Field(min_length=1), EachOnce] = ["overall"]
    """Groups of test events, such as `overall` or `item_tail`."""
    text: Literal["same"] | None = None
    """Same: rows that read text are held to one text, encoder and use of cards, and those that train to all or none
    of them reading profiles of users; null: each reads what it names."""
    allow_leaks: bool = False
    """Rows may read supplied texts whose writer saw interactions that the protocol holds out; the table says so."""
    compare: Literal["best_other", "id", "each"] = "best_other"
    """What a row's mark compares it with: the best other row, the backbone's row of ids, or each other row."""
    claims: list[Claim] = []
    """What the table is expected to show, each answered by a sentence under its panels."""
