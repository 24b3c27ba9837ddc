"""AlphaFuse: ids learned only where the text says little, no adapter (Hu et al., SIGIR 2025)."""

import torch
from torch import nn

from ptebench.files import InputError
from ptebench.recommenders.representation import Towers, rows
from ptebench.recommenders.whitening import Whitened


def weights(counts: torch.Tensor, gate: int) -> torch.Tensor:
    """Return (n + 1, 1): n / (n + gate) of the training events `counts` (n + 1,), 1 without a gate."""
    return torch.where(counts + gate > 0, counts / (counts + gate), 1.0)[:, None]


class Tower(nn.Module):
    """The d principal components of the text, whitened; a free vector is added to the last ones.

    Components are fitted on training ids and scaled so that a vector is about 1 long. The free vector is added after
    that: if it were scaled with the text, it would learn sqrt(d) times slower than other ids.
    """

    weight: torch.Tensor  # (n + 1, 1) of the free vectors

    def __init__(self, settings: dict, text: torch.Tensor, train_ids: torch.Tensor, d: int):
        super().__init__()
        self.text = Whitened(text, train_ids, settings["shrinkage"], False, d)
        if self.text.width < d:
            raise InputError(
                f"backbones.*.dimension: {d} is more than the {self.text.width} components of the text; lower it"
            )
        free = round(d * settings["free"])
        self.first, self.scale = d - free, d**-0.5
        self.free = nn.Embedding(len(text), free, padding_idx=0)
        with torch.no_grad():
            if settings["start"] == "zeros":
                self.free.weight.zero_()
            else:
                self.free.weight[1:].normal_(std=self.scale)

    def forward(self, ids=None):
        """Return (n + 1, d), or the rows of `ids`."""
        text, free = rows(self.text(), ids) * self.scale, rows(self.free.weight, ids) * rows(self.weight, ids)
        return torch.cat([text[:, : self.first], text[:, self.first :] + free], 1)


class Representation(Towers):
    """Item vectors, and on pairs user vectors, that are free where the text says little."""

    tower, free_users = Tower, True

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.rankable |= catalogue.item_counts > 0
        self.items.register_buffer("weight", weights(catalogue.item_counts, settings["gate"]), persistent=False)
        if self.has_users:
            self.profiled |= catalogue.user_counts > 0
            self.users.register_buffer("weight", weights(catalogue.user_counts, settings["gate"]), persistent=False)
