"""MoRec with frozen features: one linear layer and GELU over the text, no id (Yuan et al., SIGIR 2023)."""

from torch import nn

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import scaled


class Representation(Base):
    """Item vectors (n_items + 1, d) = GELU(W x + b) / sqrt(d), of x at unit mean square, as an encoder's last layer is.

    Vectors of unit length, as encoders of sentences give them, would leave the layer its bias and little else.
    """

    def __init__(self, settings: dict, catalogue):
        text = catalogue.text["item"]
        super().__init__(text.any(1))
        self.register_buffer("text", scaled(text, catalogue.known_items), persistent=False)
        self.head = nn.Sequential(nn.Linear(text.shape[1], catalogue.dimension), nn.GELU())
        self.scale = catalogue.dimension**-0.5

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return self.head(rows(self.text, items)) * self.scale * rows(self.rankable[:, None], items)
