"""What every source returns."""

from dataclasses import dataclass, field

import polars as pl

from ptebench.data.filters import height
from ptebench.errors import InputError
from ptebench.raw.lines import Malformed


@dataclass(frozen=True)
class Reading:
    """A publisher's files as read: interactions and items, and what was left out."""

    interactions: list[pl.LazyFrame]  # parts of INTERACTIONS (see data.parts), in the order of the files
    items: pl.DataFrame  # ITEMS; without rows where no texts were read
    malformed: Malformed  # the lines that were skipped
    impressions: pl.DataFrame | None = None  # IMPRESSIONS, of a source that tells what was shown
    notes: dict[str, int] = field(default_factory=dict)  # of what else was unusable

    @property
    def counts(self) -> dict[str, int]:
        """Return how much was skipped or unusable, for the record."""
        return {**self.notes, "malformed_lines": self.malformed.count}

    def check(self) -> None:
        """Raise InputError where no interaction was read, naming the first malformed line."""
        if not height(self.interactions):
            bad = f"{self.malformed.count:,} lines are malformed, the first {self.malformed.first}; mend the file"
            raise InputError(f"no interaction was read: {bad if self.malformed.count else 'the files have none'}")
