"""Tuning studies: axes, one budget, and successive halving."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from ptebench.config.base import Name, Positive, Seed, Settings, kind_of
from ptebench.config.readers import Reader

FIXED = {"kind", "loss", "device", "compile", "selection", "users", *Reader.model_fields}  # no axes


class Range(Settings):
    """An axis from low to high, both included; of whole numbers where both are whole."""

    low: int | float
    """Lowest value."""
    high: int | float
    """Highest value."""
    log: bool = False
    """Points are even on a logarithmic scale."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("expected low < high, and low > 0 for a log axis")
        return self


Space = dict[Name, dict[str, Range | Annotated[list[Any], Field(min_length=1)]]]


class Halving(Settings):
    """Successive halving: of every bracket of factor ^ (rungs - 1) trials, one trains for all its epochs."""

    factor: int = Field(3, ge=2)
    """One of this many trials goes on to the next rung, to this many times the epochs."""
    rungs: int = Field(3, ge=2)
    """Times that the trials of a bracket are compared, the last time with one left."""


class Tuning(Settings):
    """One budget for all: what has axes is tuned per dataset, protocol and pair of backbone and representation."""

    budget: Positive = 16
    """Trials of a study; the first one has the configuration's own settings."""
    seed: Seed = 0
    """Seed of the points, and of training in trials."""
    halving: Halving | None = None
    """Successive halving; null: every trial trains for all its epochs."""
    backbones: Space = {}
    """Axes of backbones, by key, a list of values or a range: of an entry, or of all entries of a kind that have no row
    here of their own."""
    representations: Space = {}
    """Axes of representations, by the same rule."""

    @model_validator(mode="after")
    def _whole_brackets(self) -> Self:
        if self.halving is not None:
            bracket = self.halving.factor ** (self.halving.rungs - 1)
            if self.budget % bracket:
                raise ValueError(
                    f"budget: expected a multiple of {bracket}, the trials of a bracket of {self.halving.rungs} rungs "
                    f"with factor {self.halving.factor}"
                )
        return self


def axes_of(space: Mapping[str, Any], name: str, entry: Settings) -> dict[str, Any]:
    """Return the axes of an entry by key: its own row of a space, or else its kind's."""
    return dict(space.get(name, space.get(kind_of(entry), {})))
