"""HSTU: gated causal aggregation without softmax (Zhai et al., ICML 2024, section 3)."""

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.sequential import Sequential


class Layer(nn.Module):
    """x + f2(norm(A V) * U), with U, V, Q, K = SiLU(f1(norm(x))) and A = SiLU(Q K^T + bias of distance) / length."""

    def __init__(self, dimension: int, heads: int, length: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dimension)
        self.gates = nn.Linear(dimension, 4 * dimension)
        self.bias = nn.Parameter(torch.zeros(heads, length))
        self.norm_mixed = nn.LayerNorm(dimension)
        self.out = nn.Linear(dimension, dimension)
        self.dropout = Dropout(dropout)

    def forward(self, x, distance, causal):
        """(B, L, d) -> (B, L, d); `distance` and `causal` are (L, L)."""
        batch, length, dimension = x.shape
        u, v, q, k = F.silu(self.gates(self.norm(x))).chunk(4, -1)
        v, q, k = (y.view(batch, length, self.heads, -1).transpose(1, 2) for y in (v, q, k))
        weight = F.silu(q @ k.transpose(2, 3) + self.bias[:, distance]) * causal
        values = (weight @ v).transpose(1, 2).reshape(batch, length, dimension)
        return x + self.out(self.dropout(self.norm_mixed(values) * u))


class Backbone(Sequential):
    """Item vectors through gated layers and a norm; order enters by the distance between items alone."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d, dropout = settings["dimension"], settings["dropout"]
        self.layers = nn.ModuleList(
            Layer(d, settings["heads"], self.length, dropout) for _ in range(settings["blocks"])
        )
        self.norm = nn.LayerNorm(d)

    def read(self, histories, places):
        """Return hidden states (B, L, d) of right-padded histories (B, L), from their places (B, L, d)."""
        position = torch.arange(histories.shape[1], device=histories.device)
        distance = position[:, None] - position
        causal = (distance >= 0) / self.length
        for layer in self.layers:
            places = layer(places, distance.clamp_min(0), causal)
        return self.norm(places)
