"""SASRec: causal self-attention over the history (Kang & McAuley, ICDM 2018)."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.fusion import Fusion
from ptebench.recommenders.sequential import Sequential


class Block(nn.Module):
    """Self-attention and a point-wise feed-forward layer, each with a residual and a layer norm."""

    def __init__(self, dimension: int, heads: int, dropout: float, norm: str):
        super().__init__()
        self.heads, self.norm = heads, norm
        self.qkv = nn.Linear(dimension, 3 * dimension)
        self.out = nn.Linear(dimension, dimension)
        self.norm_attention = nn.LayerNorm(dimension, eps=1e-8)
        self.norm_feedforward = nn.LayerNorm(dimension, eps=1e-8)
        self.feedforward = nn.Sequential(
            nn.Linear(dimension, dimension), nn.ReLU(), Dropout(dropout), nn.Linear(dimension, dimension)
        )
        self.dropout = Dropout(dropout)

    def attend(self, q, kv):
        batch, length, dimension = q.shape
        weight, bias = self.qkv.weight, self.qkv.bias
        if q is kv:
            q, k, v = self.qkv(q).chunk(3, -1)
        else:
            q = F.linear(q, weight[:dimension], bias[:dimension])
            k, v = F.linear(kv, weight[dimension:], bias[dimension:]).chunk(2, -1)
        q, k, v = (x.view(batch, length, self.heads, -1).transpose(1, 2) for x in (q, k, v))
        # padding is on the right: the causal mask alone keeps it out of every real position
        values = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.dropout(self.out(values.transpose(1, 2).reshape(batch, length, dimension)))

    def forward(self, x):
        if self.norm == "post":
            x = self.norm_attention(x + self.attend(x, x))
            return self.norm_feedforward(x + self.dropout(self.feedforward(x)))
        normed = self.norm_attention(x)
        if self.norm == "pre":
            x = x + self.attend(normed, normed)
            return x + self.dropout(self.feedforward(self.norm_feedforward(x)))
        x = normed + self.attend(normed, x)  # the original: normed queries, raw keys and values
        x = self.norm_feedforward(x)
        return x + self.dropout(self.feedforward(x))


class Backbone(Sequential):
    """Item and position vectors through blocks of causal attention, and the user's profile where one is read."""

    reads_profiles = True

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d = settings["dimension"]
        self.positions = nn.Embedding(self.length, d)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(d, settings["heads"], settings["dropout"], settings["norm"]) for _ in range(settings["blocks"])
        )
        self.norm = nn.LayerNorm(d, eps=1e-8)
        self.profile = Fusion(settings, catalogue) if "user" in catalogue.text else None

    def place(self, histories, inputs):
        """Return (B, L, d), inputs with positions, of which the last is always the most recent item's."""
        lengths = (histories > 0).sum(1, keepdim=True)
        age = self.length - lengths + torch.arange(histories.shape[1], device=histories.device)
        scale = inputs.shape[2] ** 0.5
        return self.dropout(inputs * scale + self.positions(age.clamp_max(self.length - 1)))

    def read(self, histories, places):
        """Return hidden states (B, L, d) of right-padded histories (B, L), from their places (B, L, d)."""
        for block in self.blocks:
            places = block(places)
        return self.norm(places)

    def read_all(self, histories, views, users):
        """See Sequential."""
        if self.profile is None:
            return super().read_all(histories, views, users)
        profile = self.profile(users)
        return [self.profile.read(partial(self.read, histories), view, profile) for view in views]
