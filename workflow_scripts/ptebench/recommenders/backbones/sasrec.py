"""SASRec: causal self-attention over the history (Kang & McAuley, ICDM 2018)."""

import importlib

import torch
from ptebench.recommenders.sampling import length_batches
from torch import nn
from torch.nn import functional as F


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
            nn.Linear(dimension, dimension), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dimension, dimension)
        )
        self.dropout = nn.Dropout(dropout)

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
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.dropout(self.out(mixed.transpose(1, 2).reshape(batch, length, dimension)))

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


class Backbone(nn.Module):
    """History (B, L) -> query (B, d); an item's score is its similarity to the query."""

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        d, self.settings, self.length = settings["dimension"], settings, settings["max_length"]
        self.positions = nn.Embedding(self.length, d)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.ModuleList(
            Block(d, settings["heads"], settings["dropout"], settings["norm"]) for _ in range(settings["blocks"])
        )
        self.norm = nn.LayerNorm(d, eps=1e-8)
        self.dropout = nn.Dropout(settings["dropout"])
        self.objective = importlib.import_module(f"ptebench.recommenders.losses.{settings['loss']}").loss
        self.register_buffer("known", catalogue.known_items, persistent=False)
        row = torch.zeros(catalogue.items + 1, dtype=torch.long)
        row[catalogue.known_items] = torch.arange(len(catalogue.known_items))
        self.register_buffer("row", row, persistent=False)

    def batches(self, train, generator):
        """Yield right-padded histories (B, <= L + 1) of like length; all positions are examples."""
        lengths = train.histories.lengths.cpu().clamp_max(self.length + 1)
        for rows in length_batches(lengths, self.settings["batch_size"], generator):
            yield train.histories.padded(rows.to(train.users.device), self.length + 1)

    def encode(self, histories, vectors):
        """Return hidden states (B, L, d) of right-padded histories; position L - 1 is always the most recent."""
        lengths = (histories > 0).sum(1, keepdim=True)
        age = self.length - lengths + torch.arange(histories.shape[1], device=histories.device)
        scale = vectors.shape[1] ** 0.5
        x = self.dropout(vectors[histories] * scale + self.positions(age.clamp_max(self.length - 1)))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def _similar(self, x):
        """Return vectors as the scores use them, so that training and ranking agree."""
        if self.settings["similarity"] == "dot":
            return x
        return F.normalize(x, dim=-1) / self.settings["temperature"] ** 0.5

    def loss(self, batch, representation, generator):
        """Return the loss over every position that has a next item."""
        vectors = representation.item_vectors()
        targets = batch[:, 1:]
        real = targets > 0
        hidden = self.encode(batch[:, :-1], vectors)[real]
        objective = self.objective(
            self._similar(hidden), self._similar(vectors[self.known]), self.row[targets[real]], generator, self.settings
        )
        return objective + representation.auxiliary_loss(batch, hidden)

    def queries(self, histories, users, representation):
        """Return (B, d) for `histories`, a Ragged."""
        rows = torch.arange(len(histories), device=users.device)
        padded = histories.padded(rows, self.length)
        hidden = self.encode(padded, representation.item_vectors())
        last = (padded > 0).sum(1).sub(1).clamp_min(0)
        return self._similar(hidden[rows, last])

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ self._similar(representation.item_vectors()).T
