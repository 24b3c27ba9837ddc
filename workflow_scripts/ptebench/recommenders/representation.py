"""The interface by which representations and backbones meet, and what both may know of the data."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Catalogue:
    """Sizes and training counts; `text` holds the vectors that the representation declared it reads."""

    users: int
    items: int
    dimension: int
    item_counts: torch.Tensor  # (items + 1,) training events
    user_counts: torch.Tensor  # (users + 1,)
    text: dict[str, torch.Tensor] = field(default_factory=dict)  # item, user, card: (n + 1, d_text)

    @property
    def known_items(self) -> torch.Tensor:
        """Return the ids of items with at least one training event."""
        return self.item_counts.nonzero()[:, 0]


class Base(torch.nn.Module):
    """What a representation offers; `rankable` marks the items whose vector means something."""

    rankable: torch.Tensor

    def item_vectors(self) -> torch.Tensor:
        """Return (n_items + 1, d), differentiable, row 0 zeros."""
        raise NotImplementedError

    def user_vectors(self, users: torch.Tensor | None = None) -> torch.Tensor | None:
        """Return (n_users + 1, d), or the rows of `users`; None where users have no vectors of their own."""
        return None

    def auxiliary_loss(self, batch, hidden) -> torch.Tensor | float:
        """Return the representation's own loss term."""
        return 0.0
