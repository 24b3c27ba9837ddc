"""LightGCN with a contrast of two views of its graph, which SGL and SimGCL share."""

import torch

from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.graph import Graph


class GraphContrast(Graph):
    """LightGCN, and InfoNCE between two views of the users and of the items of a batch, told from the batch's others.

    A backbone adds `view(layer, generator)`: vectors of all users and of all items under one perturbation.
    """

    def views_loss(self, layer, batch, generator) -> torch.Tensor:
        """Return `weight` times the contrast of the users and of the items of a batch."""
        views = [self.view(layer, generator) for _ in range(2)]
        sides = [[vectors[ids.unique()] for vectors in both] for ids, both in zip(batch, zip(*views), strict=True)]
        return self.settings["weight"] * sum(contrast(*pair, self.settings["temperature"]) for pair in sides)
