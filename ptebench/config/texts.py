"""Texts: what somebody else wrote of users and items."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ptebench.config.base import EachOnce, Name, Place, Settings

Word = Literal["nothing", "training", "all"]


class Histories(Settings):
    """The histories of a protocol's split as `exports` writes them, `histories.csv`."""

    protocol: Name
    """Protocol of the split; texts that were written from it leak on any other."""
    histories: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The sha256 of `histories.csv` that the writer had; a split whose histories are others is refused then."""


def _form(value: Any) -> str:
    """Return the tag of what a writer saw."""
    return "Histories" if isinstance(value, dict | Histories) else "Word"


class SuppliedText(Settings):
    """Texts of users, of items, or of both, from files; an owner whom a file lacks has none."""

    user: Place | None = None
    """Table of users' texts (JSON lines, CSV, TSV, Parquet), keyed by `user_id`, `id` or `uid`; null: there is none."""
    item: Place | None = None
    """Table of items' texts, keyed by `item_id`, `id` or `uid`; null: cards stand in their place."""
    user_columns: Annotated[list[str], Field(min_length=1), EachOnce] = ["text"]
    """Columns of users' texts, or lists of texts, that are joined."""
    item_columns: Annotated[list[str], Field(min_length=1), EachOnce] = ["text"]
    """Columns of items' texts, or lists of texts, that are joined."""
    saw: Annotated[Annotated[Word, Tag("Word")] | Annotated[Histories, Tag("Histories")], Discriminator(_form)]
    """Interactions that its writer saw: none, the publisher's training part, all, held-out ones too, or the histories
    of a protocol's split."""

    partial: bool = False
    """Whether a file may have texts of less than half of a dataset's users or items."""

    @field_validator("saw", mode="before")
    @classmethod
    def _one_of_them(cls, saw: Any) -> Any:
        if _form(saw) == "Word" and saw not in get_args(Word):
            raise ValueError(
                "expected nothing, training or all; of texts that were written from the histories of a protocol's "
                "split, {protocol: NAME}"
            )
        return saw

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.user or self.item):
            raise ValueError("expected a file of users' texts, 'user', of items' texts, 'item', or both")
        return self
