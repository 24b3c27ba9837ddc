"""BERT4Rec: attention in both directions, trained to fill in masked items (Sun et al., CIKM 2019)."""

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.sequential import Sequential


class Block(nn.Module):
    """Self-attention and a feed-forward layer of four times the width, each with a residual and a layer norm."""

    def __init__(self, dimension: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dimension, 3 * dimension), nn.Linear(dimension, dimension)
        self.norm_attention, self.norm_feedforward = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.feedforward = nn.Sequential(
            nn.Linear(dimension, 4 * dimension), nn.GELU(), nn.Linear(4 * dimension, dimension)
        )
        self.dropout = Dropout(dropout)

    def forward(self, x, present):
        """(B, L, d) -> (B, L, d); no position attends to padding, where `present` (B, L) is False."""
        batch, length, dimension = x.shape
        q, k, v = (y.view(batch, length, self.heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, -1))
        values = F.scaled_dot_product_attention(q, k, v, attn_mask=present[:, None, None, :])
        x = self.norm_attention(x + self.dropout(self.out(values.transpose(1, 2).reshape(batch, length, dimension))))
        return self.norm_feedforward(x + self.dropout(self.feedforward(x)))


class Backbone(Sequential):
    """The state at a mask is compared with the items; to rank, a mask follows the history.

    The paper has a layer between the two and a bias of items (eq. 7), with which learning starts several times as late.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d, dropout = settings["dimension"], settings["dropout"]
        self.mask = nn.Parameter(torch.randn(d) * 0.02)
        self.positions = nn.Embedding(self.length + 1, d)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.ModuleList(Block(d, settings["heads"], dropout) for _ in range(settings["blocks"]))
        self.norm = nn.LayerNorm(d)

    def fill(self, histories, inputs, masked):
        """Return hidden states (B, L, d) of right-padded histories, inputs (B, L, d) replaced where `masked` (B, L)."""
        present = (histories > 0) | masked
        age = self.length + 1 - present.sum(1, keepdim=True) + torch.arange(histories.shape[1], device=histories.device)
        items = torch.where(masked[..., None], self.mask, inputs)
        x = items * inputs.shape[2] ** 0.5 + self.positions(age.clamp_max(self.length))
        x = self.dropout(self.norm(x))
        for block in self.blocks:
            x = block(x, present)
        return x

    def loss(self, batch, representation, generator):
        """Return the loss over masked items: each with probability `mask`, always the last one where none was drawn."""
        _, histories = batch
        present = histories > 0
        by_chance = torch.rand(present.shape, generator=generator, device=present.device) < self.settings["mask"]
        last = torch.arange(present.shape[1], device=present.device) == present.sum(1, keepdim=True) - 1
        masked = present & (by_chance | (last & ~(by_chance & present).any(1, keepdim=True)))
        targets = histories[masked]
        vectors, rows, comparison = self.loss_inputs(histories, targets, representation, generator)
        hidden = self.fill(rows, F.embedding(rows, vectors), masked)[masked]
        objective = self.objective(self._similar(hidden), *comparison, len(self.train_items), self.settings)
        return objective + representation.auxiliary_loss(hidden, targets)

    def queries(self, histories, users, representation):
        """Return (B, d) for `histories`, a Ragged."""
        rows = torch.arange(len(histories), device=users.device)
        padded = F.pad(histories.padded(rows, self.length), (0, 1))
        at = (padded > 0).sum(1)
        masked = torch.arange(padded.shape[1], device=users.device) == at[:, None]
        return self._similar(self.fill(padded, representation.item_vectors()[padded], masked)[rows, at])
