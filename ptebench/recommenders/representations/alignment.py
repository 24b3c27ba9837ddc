"""Vectors that training pairs align: an item as what came before and as what comes next, a user by the profile."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import normalize, pad

from ptebench.hardware import gemm_precision
from ptebench.recommenders.adapter import Adapter
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.top_layers import TopLayers
from ptebench.recommenders.whitening import Whitened, require_difference


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


class Encoded(Whitened):
    """Whitened text of an encoder that learns: what it says of all, or has said since of some.

    Mean and transform are those of the text as it is at the start. `encode` makes vectors (n + 1, d_text), or those of
    ids, anew.
    """

    def __init__(self, encode: Callable[..., torch.Tensor], *whitening):
        super().__init__(*whitening)
        self.encode = encode

    def forward(self) -> torch.Tensor:
        """See Whitened."""
        if self.cached is None:
            with torch.no_grad():
                self.raw = self.encode()
        return super().forward()

    def renew(self, ids: torch.Tensor) -> None:
        """Encode the texts of `ids` anew, with gradients."""
        vectors = (self.encode(ids) - self.mean) @ self.transform
        self.cached = self().detach().index_copy(0, ids, vectors)


class Tower(nn.Module):
    """Whitened text of one side, and an adapter to unit vectors for each of its roles."""

    def __init__(
        self, settings: dict, text: torch.Tensor, known: torch.Tensor, dimension: int, roles: dict[str, type],
        encode: Callable[..., torch.Tensor] | None,
    ):  # fmt: skip
        super().__init__()
        require_difference(text, known)
        whitening = text, known, settings["shrinkage"], False, settings["components"]
        self.text = Encoded(encode, *whitening) if encode else Whitened(*whitening)
        self.width = 2 * dimension
        adapters = {role: kind(self.text.width, dimension, settings["dropout"]) for role, kind in roles.items()}
        self.adapters = nn.ModuleDict(adapters)

    def forward(self, role: str, ids=None) -> torch.Tensor:
        """Return unit vectors (n + 1, d), or those of `ids`."""
        text = rows(self.text(), ids)
        kind = gemm_precision(text.device.type)
        with torch.autocast(text.device.type, kind, enabled=self.training and kind != torch.float32):
            vectors = self.adapters[role](text)
        return normalize(vectors.float(), dim=1)

    def components(self) -> torch.Tensor:
        """Return the first components (n + 1, 2 d) of the whitened text, zeros beyond the last."""
        text = self.text()[:, : self.width]
        return pad(text * text.shape[1] ** -0.5, (0, self.width - text.shape[1]))


class Representation(Base):
    """An item's vector is both of its roles side by side; a user's is near the `next` role of what is asked for.

    Rows without text are zeros.
    """

    profiled: torch.Tensor  # (n_users + 1,)

    def __init__(self, settings: dict, catalogue):
        text, users, d = catalogue.item_text, catalogue.text.get("user"), catalogue.dimension
        super().__init__(text.any(1))
        self.encoder = catalogue.lower and TopLayers(catalogue.lower, settings["rank"], settings["control"])
        self.whole = True  # no text was encoded since all were

        def encoder_of(*names):
            read = [name for name in names if name in catalogue.text]
            return self.encoder and (lambda ids=None: torch.cat([self.encoder(name, ids) for name in read], 1))

        roles: dict[str, type] = dict.fromkeys(("before", "next"), Correction)
        self.items = Tower(settings, text, catalogue.train_items, d, roles, encoder_of("item", "card"))
        self.users = None
        if users is not None:
            asks: dict[str, type] = {"before": Adapter}
            self.users = Tower(settings, users, catalogue.train_users, d, asks, encoder_of("user"))
            self.register_buffer("profiled", users.any(1), persistent=False)

    def renew(self, items: torch.Tensor, users: torch.Tensor) -> None:
        """Encode texts of ids anew, with gradients; no user is named where no profile is read."""
        self.whole = False
        for tower, ids in ((self.items, items), (self.users, users)):
            if tower and isinstance(tower.text, Encoded) and len(ids):
                tower.text.renew(ids)

    def settle(self) -> None:
        """Have the next reader get all texts from the encoder as it is now."""
        for tower in (self.items, self.users):
            if tower and not self.whole:
                tower.text.cached = None
        self.whole = True

    def texts(self) -> dict[str, torch.Tensor]:
        """Return the first 2 d components of the whitened text (n + 1, 2 d), by side, of about unit length."""
        return {side: tower.components() for side, tower in (("item", self.items), ("user", self.users)) if tower}

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
