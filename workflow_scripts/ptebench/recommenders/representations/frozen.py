"""Text vectors as the encoder made them: nothing is learned."""

import torch
from ptebench.recommenders.representation import Base


class Representation(Base):
    """Item vectors (n_items + 1, d_text): the text's, with `card` beside the card's."""

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        text = [catalogue.text[name] for name in ("item", "card") if name in catalogue.text]
        self.register_buffer("text", torch.cat(text, 1), persistent=False)
        self.rankable = self.text.any(1)

    def item_vectors(self):
        """Return (n_items + 1, d_text)."""
        return self.text
