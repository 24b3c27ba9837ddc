"""What SGL and SimGCL share: LightGCN's loss plus a contrast between two views of the graph."""

from ptebench.recommenders.backbones.lightgcn import Backbone as Lightgcn
from ptebench.recommenders.contrast import contrast


class GraphContrast(Lightgcn):
    """LightGCN, and InfoNCE between two views of the users and of the items of a batch, told from the batch's others.

    A backbone adds `view(representation, generator)`: vectors of all users and of all items under one perturbation.
    """

    def loss(self, batch, representation, generator):
        """Return LightGCN's loss plus `weight` times the contrast of users and of items."""
        objective = super().loss(batch, representation, generator)
        views = [self.view(representation, generator) for _ in range(2)]
        for side, ids in enumerate(batch):
            one, two = (view[side][ids.unique()] for view in views)
            objective = objective + self.settings["weight"] * contrast(one, two, self.settings["temperature"])
        return objective
