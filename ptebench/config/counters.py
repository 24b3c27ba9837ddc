"""Counters: backbones that count and never train, the floors of every table."""

from typing import Literal

from pydantic import Field

from ptebench.config.backbones import Backbone
from ptebench.config.base import Positive, Settings, Shrinkage
from ptebench.config.readers import Reader


class Votes(Settings):
    """How the items of a history vote for the next one."""

    decay: float = 0.7
    """Weight of an item's vote for each step that it is older."""
    window: Positive = 50
    """Most recent items of a history that vote."""


class Popularity(Backbone):
    """Training count of the item."""

    kind: Literal["popularity"]


class Random(Backbone):
    """A score drawn for each pair of user and item, the floor of every measure."""

    kind: Literal["random"]


class Markov(Backbone, Votes):
    """Decayed counts of item-to-item transitions."""

    kind: Literal["markov"]
    decay: float = 0.5
    """Weight of an item's vote for each step that it is older."""


class Itemknn(Backbone, Votes):
    """Cosine of co-occurrence, decayed along the history."""

    kind: Literal["itemknn"]


class Textknn(Backbone, Reader, Votes):
    """Cosine with the texts of a history, decayed along it."""

    kind: Literal["textknn"]
    components: Positive | None = None
    """Principal components of the text that are whitened and read, at most; null: the text as it is, less its mean."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""


class Ease(Backbone):
    """A linear item-to-item model in closed form (Steck, WWW 2019)."""

    kind: Literal["ease"]
    l2: float = Field(500.0, gt=0)
    """What is added to the diagonal of the Gram matrix."""
