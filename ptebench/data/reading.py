"""What every source returns."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Reading:
    """A publisher's files as read: interactions and items, and what was left out."""

    interactions: list[pl.LazyFrame]  # parts of INTERACTIONS (see data.parts), in the order of the files
    items: pl.DataFrame  # ITEMS; without rows where no texts were read
    counts: dict[str, int]  # of what was skipped or unusable, for the record
    impressions: pl.DataFrame | None = None  # IMPRESSIONS, of a source that tells what was shown
