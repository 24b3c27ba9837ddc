"""What RecLM and PtE call BiasMF, for comparison with their tables; `biasmf` is the model of that name.

Jiang et al., arXiv 2412.19302, and the published code. Kept although wrong or odd: the bias is the user's and changes
no ranking, and no gradient but the penalty's reaches it; items are of unit length, users are not, so that popularity
has no place; a batch's sum is divided by the nominal batch size, which makes the last batch count for less; the penalty
takes in all parameters, those of users and layers outside the batch too. Not kept: the published code chooses the epoch
by the test events, here validation does.
"""

import torch
from torch import nn
from torch.nn.functional import embedding, normalize, softplus

from ptebench.recommenders.pairs import PairBackbone
from ptebench.recommenders.sampling import Negatives


class Backbone(nn.Module):
    """Score u.v / |v| + b_u, of a representation that has vectors of users."""

    pool: torch.Tensor  # ids of the items that training knows
    negatives: Negatives
    batches = PairBackbone.batches  # whose free users, of another start and beside text, it does not have

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings = settings
        self.bias = nn.Parameter(torch.rand(catalogue.users + 1))
        self.register_buffer("pool", catalogue.train_items, persistent=False)

    def penalty(self, representation):
        """Return the sum of squares of all parameters that learn."""
        return sum(p.square().sum() for part in (self, representation) for p in part.parameters() if p.requires_grad)

    def loss(self, batch, representation, generator):
        """Return BPR, summed over the batch and divided by its nominal size, plus the penalty."""
        users, positives = batch
        negatives = self.negatives.draw(users, generator)
        hidden, items = representation.user_vectors(users), normalize(representation.item_vectors(), dim=1)
        bias = self.bias[users]
        positive, negative = ((hidden * embedding(i, items)).sum(-1) + bias for i in (positives, negatives))
        objective = softplus(negative - positive).sum() / self.settings["batch_size"]
        objective = objective + self.settings["penalty"] * self.penalty(representation)
        return objective + representation.auxiliary_loss(hidden, positives, users)

    def queries(self, histories, users, representation):
        """Return (B, d + 1), the vectors of users and their biases."""
        return torch.cat([representation.user_vectors(users), self.bias[users, None]], 1)

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return torch.addmm(queries[:, -1:], queries[:, :-1], normalize(representation.item_vectors(), dim=1).T)
