"""GRU4Rec: a recurrent network over the history (Hidasi et al., ICLR 2016)."""

from torch import nn

from ptebench.recommenders.sequential import Sequential


class Backbone(Sequential):
    """The state after an item is the query for the next one."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d, hidden = settings["dimension"], settings["hidden"]
        self.gru = nn.GRU(d, hidden, settings["layers"], batch_first=True)
        self.out = nn.Linear(hidden, d)

    def read(self, histories, places):
        """Return hidden states (B, L, d) of right-padded histories (B, L), from their places (B, L, d)."""
        return self.out(self.gru(places)[0])
