"""LLMInit: free vectors per id that start from the text (Harte et al., RecSys 2023; Zhang et al., 2025)."""

import torch
from torch import nn

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import fit, with_text


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


def start(settings: dict, text: torch.Tensor, known: torch.Tensor, counts: torch.Tensor, d: int) -> torch.Tensor:
    """Return vectors (n + 1, d) of unit variance: principal components or chosen coordinates, at random without text.

    What is fitted is fitted on `known`, the ids of training, of which `counts` (n + 1,) says how often each was met.
    """
    mode, present, told = settings["mode"], text.any(1), with_text(text, known)
    if mode in ("pca", "pca_white"):
        mean, transform = fit(told, settings["shrinkage"], False, d)
        if mode == "pca":
            transform = torch.nn.functional.normalize(transform, dim=0)
        chosen = (text - mean) @ transform * present[:, None]
    else:
        chosen = text[:, chosen_coordinates(text, counts, mode, d)]
    size = chosen[known[present[known]]].square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    vectors = torch.randn(len(text), d)
    vectors[present, : chosen.shape[1]] = chosen[present] / size
    vectors[0] = 0
    return vectors


class Representation(Base):
    """Item vectors (n_items + 1, d), and on pairs those of users that have profiles, start from text and are trained.

    They start with the standard deviation that vectors of an `id` representation have.
    """

    met: torch.Tensor  # (n_users + 1,) users of training or with a profile
    free_users = True

    def __init__(self, settings: dict, catalogue):
        text, users, d = catalogue.item_text, catalogue.text.get("user"), catalogue.dimension
        super().__init__(text.any(1) | (catalogue.item_counts > 0))
        vectors = start(settings, text, catalogue.known_items, catalogue.item_counts, d) * catalogue.init_std
        self.items = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.has_users = users is not None
        if self.has_users:
            vectors = start(settings, users, catalogue.known_users, catalogue.user_counts, d) * catalogue.init_std
            self.users = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
            met = users.any(1) | (catalogue.user_counts > 0)
            self.register_buffer("met", met, persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return rows(self.items.weight, items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`, zeros where neither met; None without profiles."""
        return rows(self.users.weight, users) * rows(self.met[:, None], users) if self.has_users else None
