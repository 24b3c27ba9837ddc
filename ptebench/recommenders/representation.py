"""The interface between representations and backbones, and the catalogue that both are built from."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import embedding


@dataclass(frozen=True)
class Catalogue:
    """Sizes and training counts; `text` holds the vectors that the cell reads."""

    users: int
    items: int
    dimension: int
    item_counts: torch.Tensor  # (items + 1,) training events
    user_counts: torch.Tensor  # (users + 1,)
    text: dict[str, torch.Tensor] = field(default_factory=dict)  # item, user, card: (n + 1, d_text)
    init_std: float = 0.02  # of free vectors
    free_users: bool = True  # whether a backbone on pairs has free vectors of users
    lists: tuple[Path, Path] | None = None  # files of lists from elsewhere, and of the ids that they may use
    lower: Any = None  # the LowerLayers of an encoder that learns too

    @property
    def item_text(self) -> torch.Tensor:
        """Return (items + 1, d_text): of each item its text, and beside it its card where that is read as well."""
        return torch.cat([self.text[name] for name in ("item", "card") if name in self.text], 1)

    @property
    def width(self) -> int:
        """Return the columns of the items' text, 0 where none is read."""
        return self.item_text.shape[1] if self.text else 0

    @property
    def train_users(self) -> torch.Tensor:
        """Return the ids of users with at least one training event."""
        return self.user_counts.nonzero()[:, 0]

    @property
    def train_items(self) -> torch.Tensor:
        """Return the ids of items with at least one training event."""
        return self.item_counts.nonzero()[:, 0]


def rows(table: torch.Tensor, ids: torch.Tensor | None) -> torch.Tensor:
    """Return the rows of `table` (n, d) that `ids` names, or the table for None."""
    return table if ids is None else embedding(ids, table)


class Base(torch.nn.Module):
    """What every representation offers; `rankable` (n_items + 1,) is True for items that it has a vector for.

    `has_users` says whether it has vectors of users; `free_users` whether these include a free vector per user.
    """

    rankable: torch.Tensor
    has_users, free_users = False, False

    def __init__(self, rankable: torch.Tensor):
        super().__init__()
        self.register_buffer("rankable", rankable, persistent=False)

    def item_vectors(self, items: torch.Tensor | None = None) -> torch.Tensor:
        """Return (n_items + 1, d), or the rows of `items`; differentiable, row 0 zeros."""
        raise NotImplementedError

    def vectors_of(self, *ids: torch.Tensor):
        """Return the vectors (m, d) of the distinct items in `ids`, padding first, and `ids` as rows of them."""
        in_use = torch.zeros_like(self.rankable)
        in_use[0] = True
        for each in ids:
            in_use[each] = True
        row = in_use.cumsum(0) - 1
        return self.item_vectors(in_use.nonzero()[:, 0]), [row[each] for each in ids]

    def user_vectors(self, users: torch.Tensor | None = None) -> torch.Tensor | None:
        """Return (n_users + 1, d), or the rows of `users`; None where users have no vectors of their own."""
        return None

    def views(self, histories, vectors) -> tuple[torch.Tensor, ...]:
        """Return the inputs of a backbone for right-padded histories (B, L): one or more views (B, L, d)."""
        return (embedding(histories, vectors),)

    def exchange(self, *views) -> tuple[torch.Tensor, ...]:
        """Return the views of histories (B, L, d), with positions and dropout, after attention to one another."""
        return views

    def mask(self, layer) -> torch.Tensor:
        """Return `layer` (n, d), vectors of users, then items, zeros for the nodes that training has to predict."""
        return layer

    def graph_loss(self, nodes, hidden, targets, users, vectors) -> torch.Tensor | float:
        """Return the representation's own loss term on a graph.

        `nodes` are the propagated vectors of all users and of all items; `hidden` (N, d) and `vectors` (N, d) of these
        are those of `users` (N,) and of their `targets` (N,).
        """
        return self.auxiliary_loss(hidden, targets, users, vectors)

    def history_loss(self, users, states) -> torch.Tensor | float:
        """Return the loss term of the training histories of `users` (B,), with states (B, d) at their ends."""
        return 0.0

    def auxiliary_loss(self, hidden, targets, users=None, vectors=None) -> torch.Tensor | float:
        """Return the representation's own loss term.

        `hidden` (N, d) are the queries that should score the items `targets` (N,) high: of histories that end before
        them or, with `users` (N,), of these users. `vectors` (N, d) are given by a backbone that scores the targets by
        vectors other than the item vectors.
        """
        return 0.0


class Unread(Base):
    """Vectors of width 0 (n_items + 1, 0), for a backbone that uses none; training items are rankable."""

    def __init__(self, catalogue):
        super().__init__(catalogue.item_counts > 0)

    def item_vectors(self, items=None):
        """Return (n_items + 1, 0), or the rows of `items`."""
        return rows(self.rankable.new_zeros(len(self.rankable), 0, dtype=torch.float32), items)


class Towers(Base):
    """Item vectors (n_items + 1, d) by a tower over texts, user vectors by another over profiles, and no ids.

    A representation names its `tower`: a module built from (settings, text (n + 1, d_text), training ids, d), whose
    forward(ids or None) returns vectors (n + 1, d) or the rows of `ids`.
    """

    profiled: torch.Tensor  # (n_users + 1,)
    tower: type[torch.nn.Module]

    def __init__(self, settings: dict, catalogue):
        text, users = catalogue.item_text, catalogue.text.get("user")
        super().__init__(text.any(1))
        self.items = self.tower(settings, text, catalogue.train_items, catalogue.dimension)
        self.has_users = users is not None
        if self.has_users:
            self.users = self.tower(settings, users, catalogue.train_users, catalogue.dimension)
            self.register_buffer("profiled", users.any(1), persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return self.items(items) * rows(self.rankable[:, None], items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`, zeros without a profile; None where none are read."""
        return self.users(users) * rows(self.profiled[:, None], users) if self.has_users else None


class Free(Base):
    """Free item vectors (n_items + 1, d); only items with training events are rankable."""

    def __init__(self, catalogue):
        super().__init__(catalogue.item_counts > 0)
        self.items = torch.nn.Embedding(catalogue.items + 1, catalogue.dimension, padding_idx=0)
        torch.nn.init.normal_(self.items.weight, std=catalogue.init_std)
        with torch.no_grad():
            self.items.weight[0] = 0

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return rows(self.items.weight, items)
