"""Text vectors as the encoder made them: nothing is learned."""

import torch

from ptebench.recommenders.representation import Base, rows


class Representation(Base):
    """Item vectors (n_items + 1, d_text)."""

    text: torch.Tensor

    def __init__(self, settings: dict, catalogue):
        text = catalogue.item_text
        super().__init__(text.any(1))
        self.register_buffer("text", text, persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d_text), or the rows of `items`."""
        return rows(self.text, items)
