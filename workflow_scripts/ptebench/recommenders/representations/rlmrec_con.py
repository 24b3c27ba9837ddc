"""RLMRec-Con: free vectors held close to the text's by contrast (Ren et al., WWW 2024)."""

import torch
from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.representations.id import Representation as Id
from torch import nn


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

    def auxiliary_loss(self, batch, hidden):
        """Return weight * InfoNCE of items, and of users where the backbone has them and they have text."""
        pairwise = isinstance(batch, tuple)
        items = (batch[1] if pairwise else batch).unique()
        items = items[self.text[items].any(1)]
        others = self.pool[torch.randint(len(self.pool), (self.settings["others"],), device=self.pool.device)]
        others = others[~torch.isin(others, items)]
        texts = self.item_head(self.text[torch.cat([items, others])])
        loss = contrast(self.items(items), texts, self.settings["temperature"])
        if pairwise and hasattr(self, "user_head"):
            users, inverse = batch[0].unique(return_inverse=True)
            row = torch.empty_like(users).scatter_(0, inverse, torch.arange(len(inverse), device=users.device))
            present = self.user_text[users].any(1)
            texts = self.user_head(self.user_text[users[present]])
            loss = loss + contrast(hidden[row[present]], texts, self.settings["temperature"])
        return self.settings["weight"] * loss
