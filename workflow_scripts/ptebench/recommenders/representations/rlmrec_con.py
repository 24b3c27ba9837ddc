"""RLMRec-Con: free vectors held close to the text's by contrast (Ren et al., WWW 2024)."""

import torch
from ptebench.recommenders.representations.id import Representation as Id
from torch import nn
from torch.nn.functional import cross_entropy, normalize


def contrast(ours: torch.Tensor, theirs: torch.Tensor, temperature: float, batch: int) -> torch.Tensor:
    """Return InfoNCE of the first `batch` rows of `ours` with their rows of `theirs` (n, d) among all n, by cosine."""
    logits = normalize(ours[:batch], dim=1) @ normalize(theirs, dim=1).T / temperature
    return cross_entropy(logits, torch.arange(batch, device=logits.device))


def head(width_in: int, width_out: int) -> nn.Sequential:
    """Return Linear, LeakyReLU, Linear through the mean of both widths."""
    middle = (width_in + width_out) // 2
    return nn.Sequential(nn.Linear(width_in, middle), nn.LeakyReLU(), nn.Linear(middle, width_out))


class Representation(Id):
    """Free item vectors; the auxiliary loss contrasts the batch's items with their texts among those of others."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.settings = settings
        text, users = catalogue.text["item"], catalogue.text.get("user")
        known = catalogue.known_items
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("pool", known[text[known].any(1)], persistent=False)
        self.item_head = head(text.shape[1], catalogue.dimension)
        if users is not None:
            self.register_buffer("user_text", users, persistent=False)
            self.user_head = head(users.shape[1], catalogue.dimension)

    def pair(self, items):
        """Return the vectors (n, d) of `items` and of their texts."""
        return self.items(items), self.item_head(self.text[items])

    def auxiliary_loss(self, batch, hidden):
        """Return weight * InfoNCE of items, and of users where the backbone has them and they have text."""
        pairwise = isinstance(batch, tuple)
        items = (batch[1] if pairwise else batch).unique()
        items = items[self.text[items].any(1)]
        others = self.pool[torch.randint(len(self.pool), (self.settings["others"],), device=self.pool.device)]
        others = others[~torch.isin(others, items)]
        loss = contrast(*self.pair(torch.cat([items, others])), self.settings["temperature"], len(items))
        if pairwise and hasattr(self, "user_head"):
            users, inverse = batch[0].unique(return_inverse=True)
            row = torch.empty_like(users).scatter_(0, inverse, torch.arange(len(inverse), device=users.device))
            present = self.user_text[users].any(1)
            texts = self.user_head(self.user_text[users[present]])
            loss = loss + contrast(hidden[row[present]], texts, self.settings["temperature"], len(texts))
        return self.settings["weight"] * loss
