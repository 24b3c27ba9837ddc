"""LightGCN with a contrast of two views of its graph, which SGL and SimGCL share."""

import torch

from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.graph import Graph


class GraphContrast(Graph):
    """LightGCN, and InfoNCE between two views of the users and of the items of a batch.

    A backbone adds `view(layer, generator)`: vectors of users and of items under one perturbation.
    """

    trained_users: torch.Tensor
    among_all = True  # whether a node is contrasted with all nodes of its side, or only with those of the batch

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.register_buffer("trained_users", catalogue.user_counts.nonzero()[:, 0], persistent=False)

    def view(self, layer, generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the vectors of all users and of all items under one perturbation."""
        raise NotImplementedError

    def views_loss(self, layer, batch, generator) -> torch.Tensor:
        """Return `weight` times the contrast of the users and of the items of a batch."""
        views = [self.view(layer, generator) for _ in range(2)]
        total = layer.new_zeros(())
        for ids, every, (one, other) in zip(batch, (self.trained_users, self.pool), zip(*views), strict=True):
            ids = ids.unique()
            others = every if self.among_all else ids
            at = torch.searchsorted(others, ids)
            total = total + contrast(one[ids], other[others], self.settings["temperature"], at)
        return self.settings["weight"] * total
