"""LLMInit: free vectors per id that start from the text (Harte et al., RecSys 2023; Zhang et al., 2025)."""

import torch
from torch import nn

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import fit, scaled, with_text


def chosen_coordinates(text: torch.Tensor, counts: torch.Tensor, mode: str, d: int) -> torch.Tensor:
    """Return d coordinates of `text` (n + 1, width): at random, evenly spaced, or of highest variance.

    Variance is that of the 20 % most popular of the training items, `counts` (n + 1,).
    """
    width = text.shape[1]
    if mode == "random":
        return torch.randperm(width)[:d]
    if mode == "even":
        return torch.linspace(0, width - 1, d).round().long()
    popular = counts.argsort(descending=True, stable=True)[: max(int((counts > 0).sum()) // 5, 2)]
    return text[popular].var(0).argsort(descending=True, stable=True)[:d]


class Representation(Base):
    """Item vectors (n_items + 1, d): principal components or chosen coordinates of the text, then trained.

    They start with the standard deviation that vectors of an `id` representation have.
    """

    def __init__(self, settings: dict, catalogue):
        text, d, mode = catalogue.text["item"], catalogue.dimension, settings["mode"]
        present = text.any(1)
        super().__init__(present | (catalogue.item_counts > 0))
        known = catalogue.known_items
        if mode in ("pca", "pca_white"):
            mean, transform = fit(with_text(text, known), settings["shrinkage"], False, d)
            if mode == "pca":
                transform = torch.nn.functional.normalize(transform, dim=0)
            start = (text - mean) @ transform * present[:, None]
        else:
            start = text[:, chosen_coordinates(text, catalogue.item_counts, mode, d)]
        vectors = torch.randn(len(text), d)  # of an item without text
        vectors[present, : start.shape[1]] = scaled(start, known)[present]
        vectors[0] = 0
        vectors *= catalogue.init_std
        self.items = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return rows(self.items.weight, items)
