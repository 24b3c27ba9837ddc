"""The adapter from a frozen encoder's text to vectors that a recommender can use."""

import torch
from torch import nn

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import rows
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


class Tower(nn.Module):
    """The adapter over whitened text."""

    def __init__(self, settings: dict, text: torch.Tensor, train_ids: torch.Tensor, dimension: int):
        super().__init__()
        self.text = Whitened(text, train_ids, settings["shrinkage"], False, settings["components"])
        self.adapter = Adapter(self.text.width, dimension, settings["dropout"])

    def forward(self, ids=None):
        """Return (n + 1, d), or the rows of `ids`."""
        return self.adapter(rows(self.text(), ids))
