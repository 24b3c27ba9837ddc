"""TIGER: the next item's semantic id, code by code, from those of the history (Rajput et al., NeurIPS 2023)."""

import sys

import torch

from ptebench.recommenders.generative import Generative
from ptebench.recommenders.semantic_ids import fitted_codes, told_apart


class Backbone(Generative):
    """Ids are made of the text vectors of the representation; one more code tells items apart."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue, settings["levels"] + 1)

    def ids(self, representation):
        """Fit on the processor, so that a GPU gives the same ids, and on a generator of its own."""
        rankable = representation.rankable.cpu()
        vectors, known = representation.item_vectors().detach().cpu()[rankable], self.known.cpu()[rankable]
        names = ("quantizer", "levels", "codes", "quantizer_steps")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            codes = fitted_codes(vectors, known, *(self.settings[name] for name in names))
        unique = told_apart(codes, known, self.settings["codes"])
        used = [len(level.unique()) for level in codes.T]
        shared = 1 - len(codes.unique(dim=0)) / len(codes)
        print(f"semantic ids: codes in use {used}, {shared:.1%} of items need the last code", file=sys.stderr)
        ids = torch.full(self.codes.shape, -1)
        ids[rankable] = unique
        return ids
