"""BiasMF: mu + b_u + b_i + p_u.q_i, trained with BPR (Koren 2009; Rendle et al., UAI 2009)."""

import torch
from torch import nn
from torch.nn.functional import embedding

from ptebench.recommenders.losses.bpr import bpr
from ptebench.recommenders.pairs import PairBackbone


class Backbone(PairBackbone):
    """mu and b_u cannot change a user's ranking and are left out.

    The item bias starts at the centred log training count, where BPR with uniform negatives has its optimum
    without factors: from zero, steps of like size for all items take long to tell popular from very popular.
    Without `item_bias` this is the matrix factorisation of the BPR paper.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.bias = nn.Parameter(torch.zeros(catalogue.items + 1), requires_grad=settings["item_bias"])
        if settings["item_bias"]:
            count = catalogue.item_counts[catalogue.train_items].float().log()
            with torch.no_grad():
                self.bias[catalogue.train_items] = count - count.mean()

    def loss(self, batch, representation, generator):
        """Return BPR over (user, positive) pairs, one uniform negative each."""
        users, positives = batch
        negatives = self.negatives.draw(users, generator)
        of_user = self.user_vectors(users, representation)
        sides = positives, negatives
        vectors, rows = representation.vectors_of(*sides)
        of_sides = [embedding(row, vectors) for row in rows]
        scores = ((of_user * v).sum(-1) + self.bias[items] for v, items in zip(of_sides, sides, strict=True))
        objective = bpr(*scores) + self.penalty(of_user, *of_sides)
        return objective + representation.auxiliary_loss(of_user, positives, users)

    def queries(self, histories, users, representation):
        """Return (B, d)."""
        return self.user_vectors(users, representation)

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return torch.addmm(self.bias, queries, representation.item_vectors().T)
