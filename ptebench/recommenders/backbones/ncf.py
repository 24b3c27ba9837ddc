"""NCF: a generalised matrix factorisation beside a perceptron over user and item (He et al., WWW 2017)."""

import torch
from torch import nn
from torch.nn.functional import embedding, softplus

from ptebench.recommenders.pairs import PairBackbone

CHUNK = 2**24  # floats of the perceptron's hidden layer at a time


class Backbone(PairBackbone):
    """Score w.(u * v) + MLP([u; v]), of one vector each; the first layer is applied to u and v apart."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d = settings["dimension"]
        self.product = nn.Parameter(torch.ones(d))
        self.of_user, self.of_item = nn.Linear(d, d), nn.Linear(d, d, bias=False)
        self.out = nn.Linear(d, 1, bias=False)

    def loss(self, batch, representation, generator):
        """Return binary cross entropy over (user, positive) pairs, one uniform negative each."""
        users, positives = batch
        negatives = self.negatives.draw(users, generator)
        hidden = self.user_vectors(users, representation)
        vectors, rows = representation.vectors_of(positives, negatives)

        def score(row):
            v = embedding(row, vectors)
            deep = self.out(torch.relu(self.of_user(hidden) + self.of_item(v)))[:, 0]
            return (hidden * v) @ self.product + deep

        objective = softplus(-score(rows[0])).mean() + softplus(score(rows[1])).mean()
        return objective + representation.auxiliary_loss(hidden, positives, users)

    def queries(self, histories, users, representation):
        """Return (B, d)."""
        return self.user_vectors(users, representation)

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        vectors = representation.item_vectors()
        left, right = self.of_user(queries)[:, None], self.of_item(vectors)
        size = max(CHUNK // queries.numel(), 1)
        deep = [self.out(torch.relu(left + part))[..., 0] for part in right.split(size)]
        return (queries * self.product) @ vectors.T + torch.cat(deep, 1)
