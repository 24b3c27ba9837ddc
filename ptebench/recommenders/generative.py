"""Generative backbones: every item is a short sequence of codes, and the model generates those of the next item."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.semantic_ids import Tree, tree
from ptebench.recommenders.sequential import Sequential

CHUNK = 2**22  # codes whose likelihoods are alive at once in ranking


class Attention(nn.Module):
    """Queries (..., S, d) over keys and values (..., heads, T, d / heads) made beforehand."""

    def __init__(self, dimension: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.memory = nn.Linear(dimension, dimension), nn.Linear(dimension, 2 * dimension)
        self.out = nn.Linear(dimension, dimension)

    def keys(self, x):
        """Return keys and values of x (..., T, d)."""
        return tuple(self._heads(y) for y in self.memory(x).chunk(2, -1))

    def forward(self, x, keys, values, mask=None):
        """Return (..., S, d); `mask` is True where a query sees a key."""
        values = F.scaled_dot_product_attention(self._heads(self.query(x)), keys, values, attn_mask=mask)
        return self.out(values.transpose(-3, -2).flatten(-2))

    def _heads(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)


def feedforward(dimension: int, dropout: float) -> nn.Sequential:
    """Return two layers, of four times the width between them."""
    wide = 4 * dimension
    return nn.Sequential(nn.Linear(dimension, wide), nn.ReLU(), Dropout(dropout), nn.Linear(wide, dimension))


class Encoder(nn.Module):
    """Self-attention and a feed-forward layer, each after a layer norm and with a residual."""

    def __init__(self, dimension: int, heads: int, dropout: float):
        super().__init__()
        self.own, self.feedforward = Attention(dimension, heads), feedforward(dimension, dropout)
        self.norm_own, self.norm_feedforward = nn.LayerNorm(dimension), nn.LayerNorm(dimension)
        self.dropout = Dropout(dropout)

    def forward(self, x, mask):
        """(B, T, d) -> (B, T, d)."""
        normed = self.norm_own(x)
        x = x + self.dropout(self.own(normed, *self.own.keys(normed), mask))
        return x + self.dropout(self.feedforward(self.norm_feedforward(x)))


class Decoder(nn.Module):
    """Attention over the codes so far, then over the encoded history, then a feed-forward layer."""

    def __init__(self, dimension: int, heads: int, dropout: float):
        super().__init__()
        self.own, self.history = Attention(dimension, heads), Attention(dimension, heads)
        self.feedforward = feedforward(dimension, dropout)
        self.norm_own, self.norm_history, self.norm_feedforward = (nn.LayerNorm(dimension) for _ in range(3))
        self.dropout = Dropout(dropout)

    def forward(self, x, past, memory, mask):
        """Return x (B, N, S, d), N ids of S codes for each of B histories, and the keys and values to go on from.

        `past` are those of the codes before these S, or None; `memory` those of the history, seen where `mask`
        (N * S, T) or (B, 1, 1, T) is True.
        """
        normed = self.norm_own(x)
        keys, values = self.own.keys(normed)
        if past is not None:
            keys, values = (torch.cat(pair, -2) for pair in zip(past, (keys, values)))
        size = keys.shape[-2]
        earlier = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()[-x.shape[-2] :]
        x = x + self.dropout(self.own(normed, keys, values, earlier))
        queries = self.norm_history(x).flatten(1, 2)
        x = x + self.dropout(self.history(queries, *memory, mask)).view_as(x)
        return x + self.dropout(self.feedforward(self.norm_feedforward(x))), (keys, values)


class Generative(nn.Module):
    """A transformer encodes the codes of the history and decodes those of the next item.

    A backbone adds `ids(representation)`: the codes (n_items + 1, levels), unique, of all items that the representation
    can rank, -1 where there is none; only those that it can rank are spelled.

    Each softmax covers only codes that lead to some item, so the likelihoods of all items sum to one and only items
    can be decoded; in training it covers codes of training items, as the softmax of other backbones does. The
    published decoder has a softmax over all codes and drops those of no item afterwards. Here the encoder is causal
    over items: one pass serves every position of a history, where the published one encodes each prefix again.
    """

    codes: torch.Tensor  # (n_items + 1, levels), -1 where there is none
    in_training: torch.Tensor  # (n_items + 1,) whether an item has training events
    tree: Tree  # once prepared
    decoder: Sequence[Decoder]
    batches = Sequential.batches

    def __init__(self, settings: dict, catalogue, levels: int):
        super().__init__()
        self.settings, self.length, self.levels = settings, settings["max_length"], levels
        d, heads, dropout = settings["dimension"], settings["heads"], settings["dropout"]
        self.register_buffer("codes", torch.full((catalogue.items + 1, self.levels), -1))
        self.register_buffer("in_training", catalogue.item_counts > 0, persistent=False)
        self.seed = int(torch.randint(2**62, ()))
        # row 0: no code, of padding and of items without an id
        self.tokens = nn.Embedding(self.levels * settings["codes"] + 1, d, padding_idx=0)
        self.positions = nn.Embedding(self.length, d)
        self.start = nn.Parameter(torch.randn(2, d) * 0.2)  # what precedes a history, and an id
        for table in (self.tokens, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        with torch.no_grad():
            self.tokens.weight[0] = 0
        self.encoder = nn.ModuleList(Encoder(d, heads, dropout) for _ in range(settings["blocks"]))
        decoder = nn.ModuleList(Decoder(d, heads, dropout) for _ in range(settings["blocks"]))
        self.decoder = cast(Sequence[Decoder], decoder)
        self.norm_memory, self.norm, self.dropout = nn.LayerNorm(d), nn.LayerNorm(d), Dropout(dropout)

    def ids(self, representation) -> torch.Tensor:
        """Return the codes (n_items + 1, levels) of items, -1 where there is none."""
        raise NotImplementedError

    def prepare(self, representation) -> None:
        """Give every item its codes, unless a saved state has them, and build the tree of the rankable items' codes."""
        if hasattr(self, "tree"):
            return
        if bool((self.codes < 0).all()):
            self.codes.copy_(self.ids(representation))
        rankable = representation.rankable[:, None]
        self.tree = tree(self.codes.where(rankable, -1), self.in_training, self.settings["codes"])

    def embed(self, codes, first: int = 0):
        """Return (..., S, d) of codes (..., S), those of the levels from `first` on."""
        level = torch.arange(first, first + codes.shape[-1], device=codes.device)
        rows = torch.where(codes < 0, 0, codes + level * self.settings["codes"] + 1)
        return self.tokens(rows) * self.tokens.embedding_dim**0.5

    def code_log_likelihoods(self, states, level: int, offered):
        """Return log-likelihoods (..., codes) of a level's codes given states (..., d), among the codes `offered`."""
        size = self.settings["codes"]
        logits = states @ self.tokens.weight[1 + level * size : 1 + (level + 1) * size].T
        return logits.masked_fill(~offered, torch.finfo(logits.dtype).min).log_softmax(-1)

    def encode(self, histories, lengths):
        """Return states (B, T, d), vectors of positions (B, L, d), and which of T see which (T, T).

        T = 1 + L * levels: what precedes a history and the codes of right-padded items (B, L), which see those of no
        later item. The last of the first `lengths` (B,) items is always at position max_length - 1.
        """
        item = torch.arange(histories.shape[1], device=histories.device)
        age = self.positions((self.length - lengths[:, None] + item).clamp(0, self.length - 1))
        item = torch.cat([item.new_full((1,), -1), item.repeat_interleave(self.levels)])
        mask = item <= item[:, None]
        x = (self.embed(self.codes[histories]) + age[:, :, None]).flatten(1, 2)
        x = self.dropout(torch.cat([self.start[0].expand(len(x), 1, -1), x], 1))
        for block in self.encoder:
            x = block(x, mask)
        return self.norm_memory(x), age, mask

    def decode(self, codes, histories, lengths):
        """Return states (B, L, levels, d) from which the codes (B, L, levels) are chosen, after each item (B, L)."""
        memory, age, mask = self.encode(histories, lengths)
        start = self.start[1].expand(*codes.shape[:2], 1, -1)
        x = self.dropout(torch.cat([start, self.embed(codes[..., :-1])], 2) + age[:, :, None])
        for block in self.decoder:
            x, _ = block(x, None, block.history.keys(memory), mask[1:])
        return self.norm(x)

    def loss(self, batch, representation, generator):
        """Return the mean negative log-likelihood of the next items that have an id."""
        self.prepare(representation)
        histories, targets = batch[1][:, :-1], batch[1][:, 1:]
        codes = self.codes[targets]
        states = self.decode(codes, histories, (targets > 0).sum(1))
        total, count = 0.0, (codes[..., 0] >= 0).sum()
        for level in range(self.levels):
            row = self.tree.row[targets, level]
            several = row >= 0  # below a node of one item nothing is left to choose
            likelihood = self.code_log_likelihoods(
                states[several][:, level], level, self.tree.in_training[level][row[several]]
            )
            total = total - likelihood.gather(1, codes[several][:, level, None]).sum()
        return total / count.clamp_min(1)

    def queries(self, histories, users, representation):
        """Return the states (B, T, d) of `histories`, a Ragged, and which of them (B, T) are no padding."""
        self.prepare(representation)
        padded = histories.padded(torch.arange(len(histories), device=users.device), self.length)
        present = F.pad((padded > 0).repeat_interleave(self.levels, 1), (1, 0), value=True)
        return self.encode(padded, (padded > 0).sum(1))[0], present

    def scores(self, queries, representation):
        """Return log-likelihoods (B, n_items + 1), exact where `beam` is 0; items that the beam misses are tied last.

        A level's open nodes are decoded at once, all or the `beam` likeliest, each going on from the keys and values
        of its parent: no prefix is decoded twice.
        """
        widest = max(self._width(level) for level in range(self.levels))
        size = max(CHUNK // (widest * self.settings["codes"]), 1)
        return torch.cat([self._walk(*part) for part in zip(*(q.split(size) for q in queries))])

    def _width(self, level: int) -> int:
        """Return how many nodes of a level are decoded for a history."""
        nodes = len(self.tree.child[level]) - 1
        return min(nodes, self.settings["beam"] or nodes)

    def _walk(self, memory, present):
        """Return scores (B, n_items + 1) of encoded histories (B, T, d)."""
        history = [block.history.keys(memory) for block in self.decoder]
        everyone = torch.arange(len(memory), device=memory.device)[:, None]
        node, prefix_likelihood = torch.zeros_like(everyone), memory.new_zeros(len(memory), 1)
        scores = memory.new_full((len(memory), len(self.codes)), -torch.inf)
        x = self.start[1].expand(len(memory), 1, 1, -1)
        past: list[tuple[torch.Tensor, ...] | None] = [None] * len(self.decoder)
        for level in range(self.levels):
            x = x + self.positions.weight[-1]
            for i, block in enumerate(self.decoder):
                x, past[i] = block(x, past[i], history[i], present[:, None, None])
            child, item = self.tree.child[level][node], self.tree.item[level][node]
            likelihood = self.code_log_likelihoods(self.norm(x)[:, :, 0], level, (child >= 0) | (item > 0))
            total = (prefix_likelihood[..., None] + likelihood).flatten(1)
            scores.scatter_(1, item.flatten(1), total)  # what is no item falls on column 0
            if level + 1 == self.levels or not (width := self._width(level + 1)):
                break
            child = child.flatten(1)
            prefix_likelihood, place = total.masked_fill(child < 0, -torch.inf).topk(width)
            node, parent = child.gather(1, place), place // self.settings["codes"]
            x = self.embed(place[..., None] % self.settings["codes"], level)
            past = [tuple(y[everyone, parent] for y in pair) for pair in past if pair]
        scores[:, 0] = -torch.inf
        behind = scores.masked_fill(scores == -torch.inf, torch.inf).amin(1, keepdim=True) - 1
        return torch.where(scores == -torch.inf, behind, scores)
