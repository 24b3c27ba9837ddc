"""SimGCL: LightGCN and a contrast between two noisy propagations (Yu et al., SIGIR 2022)."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.graph_contrast import GraphContrast


class Backbone(GraphContrast):
    """A view adds noise of length `noise`, with the signs of the vector, to every layer's output.

    Layer 0 is in no mean, of a view or of what ranks, and a node is told from those of its batch.
    """

    averages_first, among_all = False, False

    def view(self, layer, generator):
        """Return vectors of users and items under fresh noise."""

        def perturb(vectors):
            drawn = torch.rand(vectors.shape, generator=generator, device=vectors.device)
            return vectors + vectors.sign() * normalize(drawn, dim=1) * self.settings["noise"]

        return self.propagated(layer, perturb=perturb)
