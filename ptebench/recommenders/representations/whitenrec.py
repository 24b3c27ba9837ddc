"""WhitenRec: whitened text vectors through an MLP, no id (Zhang et al., ICDE 2024)."""

from torch import nn

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import Whitened


class Representation(Base):
    """Item vectors (n_items + 1, d) = MLP(whitened text); of an ensemble, WhitenRec+, the sum over two whitenings."""

    def __init__(self, settings: dict, catalogue):
        text, d = catalogue.text["item"], catalogue.dimension
        super().__init__(text.any(1))
        shrinkage, zca = settings["shrinkage"], settings["whitening"] == "zca"
        partings = [1, settings["groups"]] if settings["ensemble"] else [settings["groups"]]
        self.whitened = nn.ModuleList(
            Whitened(text, catalogue.known_items, shrinkage, zca, groups=groups) for groups in partings
        )
        width = self.whitened[0].width
        hidden = max(d, width)
        self.head = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), Dropout(settings["dropout"]), nn.Linear(hidden, d)
        )
        self.scale = d**-0.5

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        summed = sum(self.head(rows(text(), items)) for text in self.whitened)
        return summed * self.scale * rows(self.rankable[:, None], items)
