"""P5: the next item's index, code by code, from those of the history (Geng et al., RecSys 2022; OpenP5)."""

import sys

from ptebench.recommenders.generative import Generative
from ptebench.recommenders.item_index import item_index, levels_for


class Backbone(Generative):
    """Every item has an index made from training histories; items without training events are never generated."""

    reads_vectors = False

    def __init__(self, settings: dict, catalogue):
        self.ways = settings["clusters"] if settings["index"] == "collaborative" else settings["codes"]
        super().__init__(settings, catalogue, levels_for(catalogue.items, settings["codes"], self.ways))

    def observe(self, train) -> None:
        """Take the training histories, of which the indices are made."""
        self.histories = train.histories.to("cpu")

    def ids(self, representation):
        """Return the codes (n_items + 1, levels) of all items."""
        index, codes = self.settings["index"], self.settings["codes"]
        codes_of_items = item_index(self.histories, len(self.codes) - 1, index, codes, self.ways, self.seed)
        codes_of_train = codes_of_items[self.in_training.cpu()]
        nodes = [len(codes_of_train[:, : level + 1].unique(dim=0)) for level in range(self.levels)]
        print(
            f"{index} item indices: {len(codes_of_train)} items of training, nodes per level {nodes}", file=sys.stderr
        )
        return codes_of_items
