"""GRU4Rec: a recurrent network over the history (Hidasi et al., ICLR 2016)."""

from torch import nn

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.sequential import Sequential


class Backbone(Sequential):
    """The state after an item is the query for the next one."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        d, hidden = settings["dimension"], settings["hidden"]
        self.dropout = Dropout(settings["dropout"])
        self.gru = nn.GRU(d, hidden, settings["layers"], batch_first=True)
        self.out = nn.Linear(hidden, d)

    def encode(self, histories, inputs):
        """Return hidden states (B, L, d) of right-padded histories, seen as inputs (B, L, d)."""
        states, _ = self.gru(self.dropout(inputs * inputs.shape[2] ** 0.5))
        return self.out(states)
