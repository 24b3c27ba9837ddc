"""WhitenRec: whitened text vectors through an MLP, no id (Zhang et al., ICDE 2024)."""

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import Whitened
from torch import nn


class Representation(Base):
    """Item vectors (n_items + 1, d) = MLP(whitened text)."""

    def __init__(self, settings: dict, catalogue):
        text, d = catalogue.text["item"], catalogue.dimension
        super().__init__(text.any(1))
        zca = settings["whitening"] == "zca"
        self.text = Whitened(text, catalogue.known_items, settings["shrinkage"], zca)
        hidden = max(d, self.text.width)
        self.head = nn.Sequential(
            nn.Linear(self.text.width, hidden), nn.ReLU(), Dropout(settings["dropout"]), nn.Linear(hidden, d)
        )
        self.scale = d**-0.5

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return self.head(rows(self.text(), items)) * self.scale * rows(self.rankable[:, None], items)
