"""WhitenRec: whitened text vectors through an MLP, no id (Zhang et al., ICDE 2024)."""

import torch
from torch import nn

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Towers, rows
from ptebench.recommenders.whitening import Whitened


class Tower(nn.Module):
    """MLP(whitened text) / sqrt(d); of an ensemble, WhitenRec+, the sum over two whitenings."""

    def __init__(self, settings: dict, text: torch.Tensor, train_ids: torch.Tensor, dimension: int):
        super().__init__()
        shrinkage, zca = settings["shrinkage"], settings["whitening"] == "zca"
        partings = [1, settings["groups"]] if settings["ensemble"] else [settings["groups"]]
        whitened = [Whitened(text, train_ids, shrinkage, zca, groups=groups) for groups in partings]
        self.whitened, width = nn.ModuleList(whitened), whitened[0].width
        hidden = max(dimension, width)
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), Dropout(settings["dropout"]), nn.Linear(hidden, dimension)
        )
        self.scale = dimension**-0.5

    def forward(self, ids=None):
        """Return (n + 1, d), or the rows of `ids`."""
        return sum(self.head(rows(text(), ids)) for text in self.whitened) * self.scale


class Representation(Towers):
    """Vectors are those of an MLP over whitened text."""

    tower = Tower
