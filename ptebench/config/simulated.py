"""Simulated datasets: raw files in a publisher's schema, made from planted factors."""

from datetime import UTC, date, datetime
from typing import Literal, Self

from pydantic import model_validator

from ptebench.config.base import Above, Positive, Seed, Settings, Share
from ptebench.config.datasets import Dataset
from ptebench.data.simulate import FEWEST_ITEMS, start_of


class Snapshots(Settings):
    """The counts of two simulated snapshots, met exactly."""

    train_items: Positive
    """Items of the first day."""
    test_items: Positive
    """Items of the second day."""
    overlap_items: Positive
    """Items of both days."""
    train_interactions: Positive
    """Interactions of the first day, at least one for each user and each item."""
    test_interactions: Positive
    """Interactions of the second day, at least one for each item."""


class Simulated(Dataset):
    """Raw files in a publisher's schema from planted factors, so that the answer is known."""

    source: Literal["simulated"]
    layout: Literal["amazon", "mind", "netflix", "reclm"]
    """Publisher whose schema the files have, and whose reader reads them."""
    seed: Seed = 0
    """Seed of all that is drawn."""
    users: Positive = 400
    """Number of users."""
    items: Positive = 200
    """Number of items."""
    mean_length: Above = 12.0
    """Mean number of a user's interactions, about."""
    behaviour_only: Share = 0.2
    """Share of the preferences' variance that no text shows."""
    text_only: Share = 0.2
    """Share of an item's text that no behaviour follows."""
    sequential: Share = 0.5
    """Chance that a step follows a planted item-to-item transition."""
    new_items: Share = 0.0
    """Share of the items that appear in the middle of the period."""
    snapshots: Snapshots | None = None
    """Counts of the layout `reclm`, in place of `items`, `mean_length`, `sequential` and `new_items`."""
    history: bool = True
    """Of the layout `mind`: also read the click history of a user's first impression, as events before all others."""
    impressions: bool = False
    """Of the layout `mind`: also keep what every impression showed, which the protocol `snapshot` can rank."""

    @property
    def has_times(self) -> bool:
        """See Dataset."""
        return self.layout != "reclm"

    @property
    def has_ratings(self) -> bool:
        """See Dataset."""
        return self.layout in ("amazon", "netflix")

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions" if self.layout == "reclm" else None

    @property
    def period(self) -> tuple[date | None, date | None]:
        """See Dataset."""
        if not self.has_times:
            return None, None
        first, length = start_of(self.layout)
        days = [datetime.fromtimestamp(second, UTC).date() for second in (first, first + length - 1)]
        return max(days[0], self.start or days[0]), min(days[1], self.end or days[1])

    @model_validator(mode="after")
    def _of_its_layout(self) -> Self:
        if (self.layout == "reclm") != (self.snapshots is not None):
            raise ValueError("the layout 'reclm' and 'snapshots' go together; give both or neither")
        if counts := self.snapshots:
            aside = {"items", "mean_length", "sequential", "new_items"} & self.model_fields_set
            if aside and any(getattr(self, name) != type(self).model_fields[name].default for name in aside):
                raise ValueError(f"{min(aside)}: snapshots say it; leave it out")
            if counts.overlap_items > min(counts.train_items, counts.test_items):
                raise ValueError("snapshots.overlap_items: more than a snapshot has")
            if counts.train_interactions < counts.train_items + self.users:
                raise ValueError("snapshots.train_interactions: fewer than one for each user and one for each item")
            if counts.test_interactions < counts.test_items:
                raise ValueError("snapshots.test_interactions: fewer than one for each item")
            pairs = self.users * min(counts.train_items, counts.test_items)
            if 2 * (counts.train_interactions + counts.test_interactions) > pairs:
                raise ValueError("snapshots: more interactions than half of the pairs of users and items")
        elif self.items < FEWEST_ITEMS:
            raise ValueError(f"items: {self.items} are too few to simulate; expected at least {FEWEST_ITEMS}")
        if self.impressions and self.layout != "mind":
            raise ValueError(f"impressions: the layout {self.layout!r} has none; only 'mind' has")
        if self.impressions and self.item_core > 1:
            raise ValueError("impressions: they show items that item_core drops; leave one of the two out")
        return self
