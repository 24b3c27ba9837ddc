"""TIGER: the next item's semantic id, code by code, from those of the history (Rajput et al., NeurIPS 2023)."""

import sys

import torch

from ptebench.recommenders.generative import Generative
from ptebench.recommenders.semantic_ids import fit_codes, separate


class Backbone(Generative):
    """Ids are quantised text vectors of the representation; a last code separates items whose other codes agree."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue, settings["levels"] + 1)

    def ids(self, representation):
        """Fit on the processor, so that a GPU gives the same ids, and on a generator of its own."""
        rankable = representation.rankable.cpu()
        vectors, in_training = representation.item_vectors().detach().cpu()[rankable], self.in_training.cpu()[rankable]
        names = ("quantizer", "levels", "codes", "quantizer_steps")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            codes = fit_codes(vectors, in_training, *(self.settings[name] for name in names))
        unique = separate(codes, in_training, self.settings["codes"])
        used = [len(level.unique()) for level in codes.T]
        collisions = 1 - len(codes.unique(dim=0)) / len(codes)
        print(f"semantic ids: codes in use {used}, {collisions:.1%} of items need the last code", file=sys.stderr)
        ids = torch.full(self.codes.shape, -1)
        ids[rankable] = unique
        return ids
