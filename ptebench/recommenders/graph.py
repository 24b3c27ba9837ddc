"""What backbones on the graph of training interactions share (He et al., SIGIR 2020)."""

from typing import NamedTuple

import torch
from torch.nn.functional import embedding, embedding_bag

from ptebench.recommenders.losses.bpr import bpr
from ptebench.recommenders.pairs import PairBackbone

PART = {"cpu": 2**31, "cuda": 256}  # values added up one after the other: a long row would keep a GPU's others waiting


class Sparse(NamedTuple):
    """A matrix (n, n) of which row k has the `values` of parts rows[k] to rows[k + 1], those of a part side by side."""

    columns: torch.Tensor  # (nnz,) int32
    values: torch.Tensor  # (nnz,)
    parts: torch.Tensor  # (number of parts + 1,) int32, where each begins in `values`
    rows: torch.Tensor  # (n + 1,) int32


def product(graph: Sparse, x: torch.Tensor) -> torch.Tensor:
    """Return graph @ x (n, d), as sums of weighted rows of x.

    torch's own product takes several times as long on a processor (benchmarks/parts.py) and changes its bytes on a GPU.
    """
    sums = embedding_bag(
        graph.columns, x, graph.parts, mode="sum", per_sample_weights=graph.values, include_last_offset=True
    )
    if len(graph.parts) == len(graph.rows):
        return sums
    part = torch.arange(len(sums), dtype=graph.rows.dtype, device=x.device)
    return embedding_bag(part, sums, graph.rows, mode="sum", include_last_offset=True)


class _Propagate(torch.autograd.Function):
    """A @ x for a symmetric A, so that the gradient is A @ g."""

    @staticmethod
    def forward(ctx, graph, x):
        ctx.graph = graph
        return product(graph, x)

    @staticmethod
    def backward(ctx, gradient):
        return None, product(ctx.graph, gradient)


def normalise_graph(users, items, n_users: int, n_items: int) -> Sparse:
    """Return D^-1/2 A D^-1/2, of side n_users + n_items + 2, of distinct pairs, no self-loops."""
    size = n_users + n_items + 2
    pairs = torch.stack([users, items + n_users + 1]).unique(dim=1)
    index = torch.cat([pairs, pairs.flip(0)], 1)
    index = index[:, (index[0] * size + index[1]).argsort()]
    lengths = torch.bincount(index[0], minlength=size)
    degree = lengths.float().rsqrt()
    longest = PART[users.device.type]
    number = ((lengths + longest - 1) // longest).clamp_min(1)
    starts, rows = (torch.cat([x.new_zeros(1), x.cumsum(0)]) for x in (lengths, number))
    within = torch.arange(int(rows[-1]), device=users.device) - rows[:-1].repeat_interleave(number)
    parts = torch.cat([starts[:-1].repeat_interleave(number) + within * longest, starts[-1:]])
    # of indices half the bytes to read
    return Sparse(index[1].int(), degree[index[0]] * degree[index[1]], parts.int(), rows.int())


class Graph(PairBackbone):
    """LightGCN: layer 0 are the vectors of users and of items; a node without edges keeps them."""

    share: torch.Tensor  # (n_users + n_items + 2, 1)
    alone: torch.Tensor  # the same, nodes without edges
    cache: tuple[torch.Tensor, torch.Tensor]  # final vectors of users and of items, while events are ranked
    averages_first = True  # layer 0 too is one of the layers of which a node with edges is the mean

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.n_users = catalogue.users
        # of the sum of layers; those of a node without edges are zeros but for the first
        has_edges = torch.cat([catalogue.user_counts > 0, catalogue.item_counts > 0])[:, None]
        share = torch.where(has_edges, 1 / (settings["layers"] + self.averages_first), 1.0)
        self.register_buffer("share", share, persistent=False)
        self.register_buffer("alone", ~has_edges, persistent=False)

    def observe(self, train) -> None:
        """Take the training graph, which ranking needs as well as training."""
        users, items = train.pairs
        n_items = len(self.share) - self.n_users - 2
        self.graph = normalise_graph(users, items, self.n_users, n_items)

    def first_layer(self, representation) -> torch.Tensor:
        """Return (n_users + 1 + n_items + 1, d), the vectors of users, then those of items."""
        return torch.cat([self.user_vectors(None, representation), representation.item_vectors()])

    def propagate(self, layer, graph=None, perturb=None):
        """Return final vectors of users (n_users + 1, d) and items (n_items + 1, d) from the first `layer`.

        Another symmetric `graph` and a function `perturb` of every layer's output make a view of the training graph.
        """
        graph = self.graph if graph is None else graph
        first, total = layer, layer.clone() if self.averages_first else layer * self.alone
        for _ in range(self.settings["layers"]):
            layer = _Propagate.apply(graph, layer)
            if perturb:
                layer = perturb(layer)
            total += layer
        total *= self.share
        sizes = (self.n_users + 1, len(layer) - self.n_users - 1)
        of_users, of_items = total.split(sizes)
        return of_users, of_items if self.settings["propagate_items"] else first.split(sizes)[1]

    def loss(self, batch, representation, generator):
        """Return BPR over (user, positive) pairs, one uniform negative each, the penalty and what `views_loss` adds."""
        users, positives = batch
        negatives = self.negatives.draw(users, generator)
        layer = self.first_layer(representation)
        of_users, of_items = self.propagate(self.mask_layer(layer, representation))
        # the gradient of a lookup is as large as the table: one for both sides, one for the penalty
        items = torch.stack([positives, negatives])
        hidden, vectors = embedding(users, of_users), embedding(items, of_items)
        scores = (hidden * vectors).sum(-1)
        rows = torch.cat([users[None], items + self.n_users + 1])
        objective = bpr(*scores) + self.penalty(*embedding(rows, layer))
        objective = objective + self.views_loss(layer, batch, generator)
        pairs = hidden, positives, users, vectors[0]
        return objective + self.representation_loss(representation, (of_users, of_items), *pairs)

    def mask_layer(self, layer, representation):
        """Return the first `layer` (n, d) with the representation's mask, if items are propagated at all."""
        return representation.mask(layer) if self.settings["propagate_items"] else layer

    def representation_loss(self, representation, nodes, *pairs):
        """Return the representation's own loss of all `nodes` or, where items are not propagated, of `pairs` alone."""
        if self.settings["propagate_items"]:
            return representation.graph_loss(nodes, *pairs)
        return representation.auxiliary_loss(*pairs)

    def views_loss(self, layer, batch, generator) -> torch.Tensor | float:
        """Return 0: only backbones that contrast views of the graph have this term."""
        return 0.0

    def prepare(self, representation) -> None:
        """Propagate once, for all events of a ranking."""
        self.cache = self.propagate(self.first_layer(representation))

    def queries(self, histories, users, representation):
        """Return (B, d)."""
        return self.cache[0][users]

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ self.cache[1].T
