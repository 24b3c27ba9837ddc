"""Texts: what somebody else wrote of users and items."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.base import EachOnce, Place, Settings


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
    saw: Literal["nothing", "training", "all"]
    """Interactions that its writer saw of an owner: none, the publisher's training part, or all, held-out ones too."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.user or self.item):
            raise ValueError("expected a file of users' texts, 'user', of items' texts, 'item', or both")
        return self
