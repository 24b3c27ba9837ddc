"""MoRec with frozen features: one linear layer and GELU over the text, no id (Yuan et al., SIGIR 2023)."""

import torch
from torch import nn

from ptebench.recommenders.representation import Towers, rows
from ptebench.recommenders.whitening import rescale


class Tower(nn.Module):
    """GELU(W x + b) / sqrt(d), of x at unit mean square, as an encoder's last layer is.

    Vectors of unit length, as encoders of sentences give them, would leave the layer its bias and little else.
    """

    text: torch.Tensor

    def __init__(self, settings: dict, text: torch.Tensor, train_ids: torch.Tensor, dimension: int):
        super().__init__()
        self.register_buffer("text", rescale(text, train_ids), persistent=False)
        self.head = nn.Sequential(nn.Linear(text.shape[1], dimension), nn.GELU())
        self.scale = dimension**-0.5

    def forward(self, ids=None):
        """Return (n + 1, d), or the rows of `ids`."""
        return self.head(rows(self.text, ids)) * self.scale


class Representation(Towers):
    """Vectors are those of a layer over the text."""

    tower = Tower
