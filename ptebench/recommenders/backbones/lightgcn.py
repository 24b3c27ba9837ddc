"""LightGCN: vectors averaged over the layers of a graph convolution without weights (He et al., SIGIR 2020)."""

from ptebench.recommenders.graph import Graph


class Backbone(Graph):
    """The graph and BPR, nothing else."""
