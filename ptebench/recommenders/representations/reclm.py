"""RecLM's vectors: perceptrons over texts, free vectors of users, and one layer that mixes profiles into both.

Jiang et al., arXiv 2412.19302, as the published code of RecLM and PtE has them: a compatibility mode.
"""

import torch
from torch import nn
from torch.nn.functional import normalize

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import rescale


def tower(width: int, dimension: int) -> nn.Sequential:
    """Return Linear, ReLU, Linear."""
    return nn.Sequential(nn.Linear(width, dimension), nn.ReLU(), nn.Linear(dimension, dimension))


class Representation(Base):
    """Items T_o(card), users P; with profiles, items C[T_o(card); T_p(profile)], users C[P; T_p(profile) / length].

    C is one Linear and ReLU for items and users, so that with profiles no coordinate is negative, and a vector may be
    zero. P starts in [0, 1) as published; a user without training events has zeros instead of P.
    """

    card: torch.Tensor  # (n_items + 1, d_text)
    item_profile: torch.Tensor  # the same
    user_profile: torch.Tensor  # (n_users + 1, d_text)
    in_training: torch.Tensor  # (n_users + 1, 1)
    has_users, free_users = True, True

    def __init__(self, settings: dict, catalogue):
        d, train_items, users = catalogue.dimension, catalogue.train_items, catalogue.text.get("user")
        text = rescale(catalogue.text["item"], train_items)
        card = rescale(catalogue.text["card"], train_items) if "card" in catalogue.text else text
        has_profiles = users is not None
        super().__init__(card.any(1) | text.any(1) if has_profiles else card.any(1))
        self.has_profiles = has_profiles
        self.register_buffer("card", card, persistent=False)
        self.of_card = tower(card.shape[1], d)
        self.users = nn.Parameter(torch.rand(catalogue.users + 1, d))
        self.register_buffer("in_training", (catalogue.user_counts > 0).float()[:, None], persistent=False)
        if has_profiles:
            self.register_buffer("item_profile", text, persistent=False)
            users = rescale(users, catalogue.train_users)
            self.register_buffer("user_profile", users, persistent=False)
            self.of_profile = tower(text.shape[1], d)
            self.mix = nn.Sequential(nn.Linear(2 * d, d), nn.ReLU())

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        vectors = self.of_card(rows(self.card, items))
        if self.has_profiles:
            vectors = self.mix(torch.cat([vectors, self.of_profile(rows(self.item_profile, items))], 1))
        return vectors * rows(self.rankable[:, None], items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, d), or the rows of `users`; a user with neither events nor profile has zeros."""
        every = slice(None) if users is None else users
        vectors, in_training = self.users[every], self.in_training[every]
        vectors = vectors * in_training
        if not self.has_profiles:
            return vectors
        profile = self.user_profile[every]
        has_vector = (in_training > 0) | profile.any(1, keepdim=True)
        return self.mix(torch.cat([vectors, normalize(self.of_profile(profile), dim=1)], 1)) * has_vector
