"""LLMInit: free vectors per id that start from the text (Harte et al., RecSys 2023; Zhang et al., 2025)."""

import torch
from torch import nn

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import fit, require_text


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


def start(settings: dict, text: torch.Tensor, train_ids: torch.Tensor, counts: torch.Tensor, d: int) -> torch.Tensor:
    """Return vectors (n + 1, d) of unit variance: principal components or coordinates of the text, noise without text.

    Everything is fitted on the rows `train_ids`; `counts` (n + 1,) are the training events of each id.
    """
    mode, present, vectors_of_train = settings["mode"], text.any(1), require_text(text, train_ids)
    if mode in ("pca", "pca_white"):
        mean, transform = fit(vectors_of_train, settings["shrinkage"], False, d)
        if mode == "pca":
            transform = torch.nn.functional.normalize(transform, dim=0)
        initial = (text - mean) @ transform * present[:, None]
    else:
        initial = text[:, chosen_coordinates(text, counts, mode, d)]
    size = initial[train_ids[present[train_ids]]].square().mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)
    vectors = torch.randn(len(text), d)
    vectors[present, : initial.shape[1]] = initial[present] / size
    vectors[0] = 0
    return vectors


class Representation(Base):
    """Item vectors (n_items + 1, d), and on pairs those of users that have profiles, start from text and are trained.

    They start with the standard deviation that vectors of an `id` representation have.
    """

    has_vector: torch.Tensor  # (n_users + 1,) users of training or with a profile
    free_users = True

    def __init__(self, settings: dict, catalogue):
        text, users, d = catalogue.item_text, catalogue.text.get("user"), catalogue.dimension
        super().__init__(text.any(1) | (catalogue.item_counts > 0))
        vectors = start(settings, text, catalogue.train_items, catalogue.item_counts, d) * catalogue.init_std
        self.items = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.has_users = users is not None
        if self.has_users:
            vectors = start(settings, users, catalogue.train_users, catalogue.user_counts, d) * catalogue.init_std
            self.users = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
            has_vector = users.any(1) | (catalogue.user_counts > 0)
            self.register_buffer("has_vector", has_vector, persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return rows(self.items.weight, items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`, zeros without profile and events; None without profiles."""
        return rows(self.users.weight, users) * rows(self.has_vector[:, None], users) if self.has_users else None
