"""Vectors that training pairs align: an item as what came before and as what comes next, a user by the profile."""

import torch
from torch import nn
from torch.nn.functional import normalize, pad

from ptebench.hardware import gemm_precision
from ptebench.recommenders.adapter import Adapter
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import Whitened


class Correction(Adapter):
    """LN(x + W_s x + W_2 drop(GELU(W_1 x))), of x its first components, where W_s and W_2 start from zeros.

    So what is learned is a correction of the text, and decay draws it back to the text as it is.
    """

    def __init__(self, width: int, dimension: int, dropout: float):
        super().__init__(width, dimension, dropout)
        for parameter in (*self.skip.parameters(), *self.deep[-1].parameters()):
            nn.init.zeros_(parameter)
        self.missing = max(dimension - width, 0)

    def forward(self, x):
        """See Adapter."""
        start = pad(x[:, : self.norm.normalized_shape[0]], (0, self.missing))
        return self.norm(start + self.skip(x) + self.deep(x)) * self.scale


class Tower(nn.Module):
    """Whitened text of one side, and an adapter to unit vectors for each of its roles."""

    def __init__(self, settings: dict, text: torch.Tensor, known: torch.Tensor, dimension: int, roles: dict[str, type]):
        super().__init__()
        self.text = Whitened(text, known, settings["shrinkage"], False, settings["components"])
        adapters = {role: kind(self.text.width, dimension, settings["dropout"]) for role, kind in roles.items()}
        self.adapters = nn.ModuleDict(adapters)

    def forward(self, role: str, ids=None) -> torch.Tensor:
        """Return unit vectors (n + 1, d), or those of `ids`."""
        text = rows(self.text(), ids)
        kind = gemm_precision(text.device.type)
        with torch.autocast(text.device.type, kind, enabled=self.training and kind != torch.float32):
            vectors = self.adapters[role](text)
        return normalize(vectors.float(), dim=1)


class Representation(Base):
    """An item's vector is both of its roles side by side; a user's is near the `next` role of what is asked for.

    Rows without text are zeros.
    """

    profiled: torch.Tensor  # (n_users + 1,)

    def __init__(self, settings: dict, catalogue):
        text, users, d = catalogue.item_text, catalogue.text.get("user"), catalogue.dimension
        super().__init__(text.any(1))
        self.items = Tower(settings, text, catalogue.train_items, d, dict.fromkeys(("before", "next"), Correction))
        self.users = None
        if users is not None:
            self.users = Tower(settings, users, catalogue.train_users, d, {"before": Adapter})
            self.register_buffer("profiled", users.any(1), persistent=False)

    def item_vectors(self, items=None):
        """Return (n_items + 1, 2 d) of unit length, or the rows of `items`."""
        both = torch.cat([self.items("before", items), self.items("next", items)], 1) * 0.5**0.5
        return both * rows(self.rankable[:, None], items)

    def user_vectors(self, users=None):
        """Return (n_users + 1, 2 d) of unit length, or the rows of `users`; None where none are read."""
        if self.users is None:
            return None
        vectors = self.users("before", users) * rows(self.profiled[:, None], users)
        # as wide as items: some readers have one layer for both
        return torch.cat([torch.zeros_like(vectors), vectors], 1)
