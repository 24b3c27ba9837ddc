"""The profile of a user beside the history: in the state through a gate, or as a token before the first item."""

import torch
from torch import nn
from torch.nn.functional import embedding

from ptebench.recommenders.adapter import Tower

ADAPTER = {"components": 256, "shrinkage": None, "dropout": 0.1}  # as of `pte`


class Fusion(nn.Module):
    """h + sigmoid(w . [h; a]) a in the place of each state h, or the token a + s before the history.

    a is the profile through an adapter, one for all representations, and scaled as items are where they are read. In
    training a profile is left out with probability `absent`; without one a is zeros.
    """

    profiled: torch.Tensor  # (n_users + 1, 1)

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        text, d = catalogue.text["user"], settings["dimension"]
        self.tower = Tower(ADAPTER, text, catalogue.train_users, d)
        self.absent, self.scale, self.as_token = settings["absent"], d**0.5, settings["profile"] == "prefix"
        self.register_buffer("profiled", text.any(1, keepdim=True).float(), persistent=False)
        if self.as_token:
            self.segment = nn.Parameter(torch.randn(d) * 0.02)
        else:
            self.gate = nn.Linear(2 * d, 1)
            nn.init.zeros_(self.gate.weight)

    def forward(self, users):
        """Return a (B, 1, d) of `users` (B,)."""
        there = embedding(users, self.profiled)
        if self.training:
            there = there * (torch.rand(there.shape, device=there.device) >= self.absent)
        return (self.tower(users) * there * self.scale)[:, None]

    def read(self, read, places, profile):
        """Return states (B, L, d) of `places` (B, L, d) by the function `read`, with the `profile` (B, 1, d)."""
        if self.as_token:
            return read(torch.cat([profile + self.segment, places], 1))[:, 1:]
        states = read(places)
        profile = profile.expand_as(states)
        return states + self.gate(torch.cat([states, profile], 2)).sigmoid() * profile
