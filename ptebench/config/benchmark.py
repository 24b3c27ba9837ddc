"""The whole configuration."""

from typing import Annotated, Any

from pydantic import Field

from ptebench.config import (
    backbones,
    counters,
    datasets,
    encoders,
    external,
    histories,
    pairs,
    protocols,
    representations,
    simulated,
)
from ptebench.config.base import EachOnce, Kinds, Name, Place, Positive, Seed, Settings
from ptebench.config.embeddings import Embedding
from ptebench.config.information import Analysis
from ptebench.config.language_models import AnyLanguageModel
from ptebench.config.tables import TableSettings
from ptebench.config.texts import SuppliedText
from ptebench.config.tuning import Tuning

Dataset = Annotated[datasets.Dataset, Kinds("source", datasets, simulated)]
Protocol = Annotated[protocols.Protocol, Kinds("kind", protocols)]
Encoder = Annotated[encoders.Encoder, Kinds("kind", encoders)]
Backbone = Annotated[backbones.Backbone, Kinds("kind", counters, histories, pairs, external)]
Representation = Annotated[representations.Representation, Kinds("kind", representations)]


class Benchmark(Settings):
    """The whole configuration: definitions by name, and tables over them."""

    data_root: Place = "data"
    """Folder where the relative paths of sources and of supplied profiles start."""
    seeds: Annotated[list[Seed], Field(min_length=1), EachOnce] = [0]
    """Seeds of every cell that trains; tables show the mean over them."""
    ks: Annotated[list[Positive], Field(min_length=1), EachOnce] = [1, 5, 10, 20, 50]
    """Cut-offs K of the metrics in `results/metrics`."""
    lists: Positive | None = None
    """Length of the list of best items that is kept of every test event of a cell, at most the largest K; null: none is
    kept, and there is no Coverage, Gini, Novelty or Diversity."""
    diversity: Name | None = None
    """Encoder of the cards by whose vectors Diversity is measured; null: it is not."""
    datasets: dict[Name, Dataset] = {}
    """Datasets by name, each of a `source`."""
    protocols: dict[Name, Protocol] = {}
    """Protocols by name, each of a `kind`, by default the name."""
    language_models: dict[Name, AnyLanguageModel] = {}
    """Language models by name; one with the key `endpoint` runs elsewhere."""
    encoders: dict[Name, Encoder] = {}
    """Encoders of text by name, each of a `kind`, by default the name."""
    texts: dict[Name, SuppliedText] = {}
    """Texts by name that files supply; any `text` can name them."""
    embeddings: dict[Name, Embedding] = {}
    """Vectors by name that are learned from texts and training pairs; any `text` can name them."""
    backbones: dict[Name, Backbone] = {}
    """Recommenders by name, each of a `kind`, by default the name."""
    representations: dict[Name, Representation] = {}
    """Representations by name, each of a `kind`, by default the name."""
    overrides: dict[Name, dict[str, dict[str, Any]]] = {}
    """Settings of backbones that differ on a dataset: dataset, then BACKBONE or BACKBONE.REPRESENTATION (the stronger),
    then keys."""
    tuning: Tuning = Tuning()
    """What is tuned, and with which budget."""
    tables: dict[Name, TableSettings] = {}
    """Tables by name, which ask for cells."""
    strict: bool = False
    """Whether a failed cell takes the tables that show it; otherwise these are made without it and say so."""
    failed: str | None = None
    """File of failed cells and why, which a run with failures writes and gives to itself: tables are made without
    them."""
    information: dict[Name, Analysis] = {}
    """Analyses by name of what ids, texts and both tell of each other; `snakemake information` makes them."""
