"""SimGCL: LightGCN and a contrast between two noisy propagations (Yu et al., SIGIR 2022)."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.graph_contrast import GraphContrast


class Backbone(GraphContrast):
    """A view adds noise of length `noise`, with the signs of the vector, to every layer's output.

    Neither the views nor the final vectors average layer 0, and a node is contrasted with the nodes of its batch.
    """

    averages_first, among_all = False, False

    def view(self, layer, generator):
        """Return vectors of users and items under fresh noise."""

        def perturb(vectors):
            noise = torch.rand(vectors.shape, generator=generator, device=vectors.device)
            return vectors + vectors.sign() * normalize(noise, dim=1) * self.settings["noise"]

        return self.propagate(layer, perturb=perturb)
