"""SGL with edge dropout: LightGCN and a contrast between two thinned graphs (Wu et al., SIGIR 2021)."""

import torch

from ptebench.recommenders.graph import normalise_graph
from ptebench.recommenders.graph_contrast import GraphContrast


class Backbone(GraphContrast):
    """A view has a share `keep` of the edges, in both directions or in neither, normalised anew; drawn every epoch."""

    def observe(self, train) -> None:
        """Take the training edges as well as the graph."""
        super().observe(train)
        self.edges = torch.stack(train.pairs).unique(dim=1)

    def batches(self, train, generator):
        """Yield LightGCN's batches after drawing the epoch's two graphs."""
        self.views = [self._thin(generator) for _ in range(2)]
        self.turn = 0
        yield from super().batches(train, generator)

    def _thin(self, generator):
        mask = torch.rand(self.edges.shape[1], generator=generator) < self.settings["keep"]
        n_items = len(self.share) - self.n_users - 2
        users, items = self.edges[:, mask.to(self.edges.device)]
        return normalise_graph(users, items, self.n_users, n_items)

    def view(self, layer, generator):
        """Return vectors of users and items over the epoch's thinned graphs in turn."""
        self.turn = 1 - self.turn
        return self.propagate(layer, self.views[self.turn])
