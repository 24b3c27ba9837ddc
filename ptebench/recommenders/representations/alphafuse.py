"""AlphaFuse: ids learned only where the text says little, no adapter (Hu et al., SIGIR 2025)."""

import torch
from torch import nn

from ptebench.files import InputError
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import Whitened


class Representation(Base):
    """Item vectors (n_items + 1, d) = whitened text, of d principal components; the last ones plus a free vector.

    Components are those of the training items, of one variance, together about 1 long. A free vector is added to that:
    were it scaled with the text, from unit variance, it would learn at the sqrt(d)-th part of the rate of other ids.
    """

    def __init__(self, settings: dict, catalogue):
        text, d = catalogue.text["item"], catalogue.dimension
        super().__init__(text.any(1) | (catalogue.item_counts > 0))
        self.text = Whitened(text, catalogue.known_items, settings["shrinkage"], False, d)
        if self.text.width < d:
            raise InputError(
                f"backbones.*.dimension: {d} is more than the {self.text.width} components of the text; lower it"
            )
        free = round(d * settings["free"])
        self.first, self.scale = d - free, d**-0.5
        self.items = nn.Embedding(len(text), free, padding_idx=0)
        with torch.no_grad():
            if settings["start"] == "zeros":
                self.items.weight.zero_()
            else:
                self.items.weight[1:].normal_(std=self.scale)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        fixed, free = rows(self.text(), items) * self.scale, rows(self.items.weight, items)
        return torch.cat([fixed[:, : self.first], fixed[:, self.first :] + free], 1)
