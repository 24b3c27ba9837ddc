"""PtE: profiles through a frozen encoder and a task-aligned adapter, for items and for users."""

import torch
from torch import nn

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import Whitened


class Adapter(nn.Module):
    """LN(W_s x + W_2 drop(GELU(W_1 x))), scaled to vectors of unit length at the start."""

    def __init__(self, width: int, dimension: int, dropout: float):
        super().__init__()
        self.skip = nn.Linear(width, dimension, bias=False)
        self.deep = nn.Sequential(
            nn.Linear(width, 2 * dimension), nn.GELU(), Dropout(dropout), nn.Linear(2 * dimension, dimension)
        )
        # not gains of that size: a step of Adam is as long for a small gain, and tosses it about
        self.norm, self.scale = nn.LayerNorm(dimension), dimension**-0.5

    def forward(self, x):
        """(n, width) -> (n, dimension)."""
        return self.norm(self.skip(x) + self.deep(x)) * self.scale


class Representation(Base):
    """Item vectors from the profile and the card; user vectors from the user's profile. No id."""

    def __init__(self, settings: dict, catalogue):
        text = catalogue.text["item"]
        if "card" in catalogue.text:
            text = torch.cat([text, catalogue.text["card"]], 1)
        super().__init__(text.any(1))
        users = catalogue.text.get("user")
        options = settings["shrinkage"], False, settings["components"]
        self.item_text = Whitened(text, catalogue.known_items, *options)
        self.item_adapter = Adapter(self.item_text.width, catalogue.dimension, settings["dropout"])
        if users is not None:
            self.user_text = Whitened(users, catalogue.user_counts.nonzero()[:, 0], *options)
            self.user_adapter = Adapter(self.user_text.width, catalogue.dimension, settings["dropout"])
            self.register_buffer("has_text", users.any(1), persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return self.item_adapter(rows(self.item_text(), items)) * rows(self.rankable[:, None], items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`; None where users have no profile."""
        if not hasattr(self, "user_adapter"):
            return None
        rows, known = self.user_text(), self.has_text
        if users is not None:
            rows, known = rows[users], known[users]
        return self.user_adapter(rows) * known[:, None]
