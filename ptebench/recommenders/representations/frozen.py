"""Text vectors as the encoder made them: nothing is learned."""

import torch

from ptebench.recommenders.representation import Base, rows


class Representation(Base):
    """Item vectors (n_items + 1, d_text): the text's, with `card` beside the card's."""

    def __init__(self, settings: dict, catalogue):
        text = torch.cat([catalogue.text[name] for name in ("item", "card") if name in catalogue.text], 1)
        super().__init__(text.any(1))
        self.register_buffer("text", text, persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d_text), or the rows of `items`."""
        return rows(self.text, items)
