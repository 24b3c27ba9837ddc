"""AlphaRec: an MLP over frozen text; a user is the mean text of the own items, through the same MLP, no id.

Sheng et al., ICLR 2025. What it is trained with, a graph and a cosine InfoNCE, is the backbone `lightgcn_infonce`.
"""

import torch
from torch import nn

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import rescale


def mean_text(users: torch.Tensor, items: torch.Tensor, text: torch.Tensor, size: int) -> torch.Tensor:
    """Return (size, d_text): the mean of `text` (n + 1, d_text) over the distinct items of each user that have any.

    `users` (N,) and `items` (N,) are pairs; the row of a user who has no such item holds zeros.
    """
    pairs = torch.stack([users, items]).unique(dim=1)
    ones = torch.ones(pairs.shape[1], device=text.device)
    incidence = torch.sparse_coo_tensor(pairs, ones, (size, len(text))).coalesce().to_sparse_csr()
    return (incidence @ text) / (incidence @ text.any(1, keepdim=True).float()).clamp_min(1)


def mlp(width: int, dimension: int) -> nn.Sequential:
    """Return Linear, LeakyReLU, Linear, through half of the width."""
    return nn.Sequential(nn.Linear(width, width // 2), nn.LeakyReLU(), nn.Linear(width // 2, dimension))


class Representation(Base):
    """Vectors of items (n_items + 1, d) and of users (n_users + 1, d): Linear, LeakyReLU, Linear of text.

    Where users have profiles, those through layers of their own are added, which is no part of the paper.

    A model's file holds the training items of the users: user vectors cannot be computed from item vectors, because
    the mean is taken before the MLP, and a representation gets no training data when it ranks.
    """

    text: torch.Tensor  # (n_items + 1, d_text)
    profiles: torch.Tensor  # (n_users + 1, d_text)
    owners: torch.Tensor  # (N,) the user of each training event
    touched: torch.Tensor  # (N,) its item
    has_users = True

    def __init__(self, settings: dict, catalogue):
        text = rescale(catalogue.item_text, catalogue.train_items)
        super().__init__(text.any(1))
        width = text.shape[1]
        self.register_buffer("text", text, persistent=False)
        self.mlp = mlp(width, catalogue.dimension)
        profiles = catalogue.text.get("user")
        self.has_profiles = profiles is not None
        if self.has_profiles:
            self.register_buffer("profiles", rescale(profiles, catalogue.train_users), persistent=False)
            self.of_profile = mlp(profiles.shape[1], catalogue.dimension)
        owners = torch.arange(catalogue.users + 1).repeat_interleave(catalogue.user_counts)
        self.register_buffer("owners", owners, persistent=False)
        self.register_buffer("touched", torch.zeros(len(owners), dtype=torch.int32))
        self.users = catalogue.users
        self.of_users: torch.Tensor | None = None

    def observe(self, train) -> None:
        """Take the training items of every user."""
        users, items = train.pairs
        self.touched.copy_(items[users.argsort(stable=True)])
        self.of_users = None

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        return self.mlp(rows(self.text, items)) * rows(self.rankable[:, None], items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`; zeros without profile and training items that have text."""
        if self.of_users is None:
            self.of_users = mean_text(self.owners, self.touched.long(), self.text, self.users + 1)
        text = rows(self.of_users, users)
        vectors = self.mlp(text) * text.any(1, keepdim=True)
        if self.has_profiles:
            profiles = rows(self.profiles, users)
            vectors = vectors + self.of_profile(profiles) * profiles.any(1, keepdim=True)
        return vectors
