"""Protocols: which events train, validate and test, and which items are ranked."""

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.base import Count, Part, Positive, Seed, Settings

USERS = ("user_head", "user_tail")
ITEMS = ("item_head", "item_tail", "known_item", "new_item")  # of events with one target
TIES = ("tied", "untied")
COMPAT = tuple(f"{side}_{end}_compat" for side in ("user", "item") for end in ("head", "tail"))


class Protocol(Settings):
    """How a dataset becomes training data and events."""

    @property
    def rankings(self) -> list[str]:
        """The rankings of its test events."""
        return ["full"]

    @property
    def groups(self) -> list[str]:
        """The groups that its test events can have, `tied` and `untied` where times are known."""
        return ["overall", *USERS, *ITEMS, *TIES]


class LeaveOneOut(Protocol):
    """Last item test, second last validation, the rest train."""

    kind: Literal["leave_one_out"]
    remove_seen: bool = True
    """Items of the visible history leave the ranking."""


class LongTail(Protocol):
    """Leave one out with head and tail groups, ranked against all items and against frozen negatives."""

    kind: Literal["long_tail"]
    negatives: Positive = 100
    """Negatives of an event in the rankings `uniform` and `matched`, outside the user's whole sequence; 100, as in many
    papers."""
    seed: Seed = 0
    """Seed of the negatives."""
    bins: Annotated[int, Field(ge=2)] | None = None
    """Number of equal shares by training counts, as groups in place of head and tail."""
    remove_seen: bool = True
    """Items of the visible history leave the ranking."""

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return ["full", "uniform", "matched"]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        if self.bins is None:
            return ["overall", *USERS, *ITEMS, *TIES, *COMPAT]
        bins = [f"{side}_{n}" for side in ("user", "item") for n in range(1, self.bins + 1)]
        return ["overall", *bins, "known_item", "new_item", *TIES, *COMPAT]


class ColdStartUser(Protocol):
    """User-disjoint train, validation and test; the last `last` items of a user, the final one is the target."""

    kind: Literal["cold_start_user"]
    last: int = Field(11, ge=2)
    """Items of a user that count, the latest ones; the last of them is the target of a validation or test user."""
    valid: Part = 0.1
    """Share of the users that validate."""
    test: Part = 0.1
    """Share of the users that test."""
    seed: Seed = 0
    """Seed of the draw of users."""
    given: bool = False
    """Take the publisher's own split of users, in place of `valid`, `test` and `seed`."""
    cold_k: list[Count] = []
    """Numbers k of latest items of a test history that are visible, each a ranking `cold_{k}` in place of `full`."""
    remove_seen: bool = False
    """Items of the visible history leave the ranking."""

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return [f"cold_{k}" for k in self.cold_k] or ["full"]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        return ["overall", *ITEMS, *TIES, "near_duplicate", "distinct"]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.cold_k)) < len(self.cold_k):
            raise ValueError("expected each cold_k once")
        if self.cold_k and max(self.cold_k) >= self.last:
            raise ValueError(
                f"cold_k: {max(self.cold_k)} items are never visible, of 'last', {self.last}, one is the target; lower "
                "it, or raise last"
            )
        if self.valid + self.test >= 1:
            raise ValueError(f"valid, test: {self.valid} and {self.test} of the users leave none to train; lower one")
        return self


class Snapshot(Protocol):
    """Train on one period and rank the items of the next, all items and new items alone."""

    kind: Literal["snapshot"]
    cut: date | Part | None = None
    """First day (UTC) of the test period, or the share of the interactions before it, such as 0.8, taken to the end of
    a day; null: the publisher's own split."""
    end: date | None = None
    """First day (UTC) after the test period; null: the data's end."""
    valid: Part = 0.1
    """Share of the training period's interactions that validate: the latest, without times random ones."""
    seed: Seed = 0
    """Seed of the validation draw where there are no times."""
    impressions: bool = False
    """Also rank what each impression of the test period showed."""
    remove_seen: bool = True
    """Items of the visible history leave the ranking."""

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return ["full", "zero_shot", *(["impression"] if self.impressions else [])]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        return ["overall", *USERS, *ITEMS]

    @model_validator(mode="after")
    def _a_period_of_impressions(self) -> Self:
        if self.impressions and self.cut is None:
            raise ValueError("impressions need 'cut', the first day of the test period")
        if self.end and not self.cut:
            raise ValueError("end: it bounds the test period that 'cut' begins; give both, or neither")
        if self.end and isinstance(self.cut, date) and self.end <= self.cut:
            raise ValueError(f"end: {self.end} is not after cut, {self.cut}")
        return self


class GlobalTemporal(Protocol):
    """Train before the first cut, validation just before it, each user's next item in the windows from the cuts on."""

    kind: Literal["global_temporal"]
    cuts: Annotated[list[date] | list[Part], Field(min_length=1)]
    """First day (UTC) of each test window, which ends where the next begins; or of each the share of the interactions
    before it, such as 0.8, which is taken to the end of a day."""
    end: date | None = None
    """First day (UTC) after the last window; null: the data's end."""
    valid: Part = 0.1
    """Share of the interactions before the first cut that validate, the latest ones."""
    remove_seen: bool = True
    """Items of the visible history leave the ranking."""

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return [f"window_{n}" for n in range(1, len(self.cuts) + 1)] if len(self.cuts) > 1 else ["full"]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        shares = [cut for cut in self.cuts if not isinstance(cut, date)]
        days = [cut for cut in self.cuts if isinstance(cut, date)] + ([self.end] if self.end else [])
        if any(a >= b for a, b in pairwise(shares)) or any(a >= b for a, b in pairwise(days)):
            raise ValueError("expected cuts, and end after them, in ascending order")
        return self
