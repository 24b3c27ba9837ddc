"""A free vector per item, learned from interactions alone."""

import torch
from ptebench.recommenders.representation import Base


class Representation(Base):
    """Item vectors (n_items + 1, d); an item without training events has none worth ranking by."""

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.items = torch.nn.Embedding(catalogue.items + 1, catalogue.dimension, padding_idx=0)
        torch.nn.init.normal_(self.items.weight, std=0.02)
        with torch.no_grad():
            self.items.weight[0] = 0
        self.rankable = torch.zeros(catalogue.items + 1, dtype=torch.bool)
        self.rankable[catalogue.known_items] = True

    def item_vectors(self):
        """Return (n_items + 1, d)."""
        return self.items.weight
