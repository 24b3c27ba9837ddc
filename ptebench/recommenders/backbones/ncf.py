"""NCF: a generalised matrix factorisation beside a perceptron over user and item (He et al., WWW 2017)."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import embedding, softplus

from ptebench.recommenders.pairs import PairBackbone

CHUNK = 2**24  # floats of the perceptron's hidden layer at a time


class Backbone(PairBackbone):
    """Score w.[u_1 * v_1; MLP([u_2; v_2])]: half a vector for the product, half for the perceptron.

    The perceptron's first layer is applied to u_2 and v_2 apart; each layer is half as wide as the one before.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d = settings["dimension"]
        widths = [d // 2**layer for layer in range(1, settings["layers"] + 1)]
        self.product = nn.Parameter(torch.ones(d // 2))
        self.of_user, self.of_item = nn.Linear(d // 2, widths[0]), nn.Linear(d // 2, widths[0], bias=False)
        tower = [layer for a, b in pairwise(widths) for layer in (nn.ReLU(), nn.Linear(a, b))]
        self.tower = nn.Sequential(*tower, nn.ReLU(), nn.Linear(widths[-1], 1, bias=False))
        for name, parameter in self.named_parameters():  # a bias above what short vectors give would kill a unit
            if name.endswith("bias"):
                nn.init.zeros_(parameter)

    def loss(self, batch, representation, generator):
        """Return binary cross entropy over (user, positive) pairs, one uniform negative each."""
        users, positives = batch
        negatives = self.negatives.draw(users, generator)
        hidden = self.user_vectors(users, representation)
        vectors, rows = representation.vectors_of(positives, negatives)
        wide, deep = hidden.chunk(2, 1)
        of_user = self.of_user(deep)

        def score(row):
            of_product, of_perceptron = embedding(row, vectors).chunk(2, 1)
            return (wide * of_product) @ self.product + self.tower(of_user + self.of_item(of_perceptron))[:, 0]

        objective = softplus(-score(rows[0])).mean() + softplus(score(rows[1])).mean()
        return objective + representation.auxiliary_loss(hidden, positives, users)

    def queries(self, histories, users, representation):
        """Return (B, d)."""
        return self.user_vectors(users, representation)

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        wide, deep = queries.chunk(2, 1)
        of_product, of_perceptron = representation.item_vectors().chunk(2, 1)
        left, right = self.of_user(deep)[:, None], self.of_item(of_perceptron)
        size = max(CHUNK // deep.numel(), 1)
        scores = [self.tower(left + part)[..., 0] for part in right.split(size)]
        return (wide * self.product) @ of_product.T + torch.cat(scores, 1)
