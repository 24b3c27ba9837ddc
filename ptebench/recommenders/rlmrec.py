"""What both forms of RLMRec share: free vectors, the texts that they are aligned with, and the pairs of the two."""

import torch
from torch import nn

from ptebench.recommenders.representation import Free
from ptebench.recommenders.whitening import rescale


def head(width_in: int, width_out: int) -> nn.Sequential:
    """Return Linear, LeakyReLU, Linear through the mean of both widths."""
    middle = (width_in + width_out) // 2
    return nn.Sequential(nn.Linear(width_in, middle), nn.LeakyReLU(), nn.Linear(middle, width_out))


def places(distinct: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Return (n,) where in `ids` (N,) each of `distinct` (n,) first stands."""
    order = ids.argsort(stable=True)
    return order[torch.searchsorted(ids[order], distinct)]


class Rlmrec(Free):
    """Free item vectors and an auxiliary loss; the text is needed in training alone."""

    text: torch.Tensor  # (n_items + 1, d_text)
    pool: torch.Tensor  # ids of training items with text
    user_text: torch.Tensor | None  # (n_users + 1, d_text)

    def __init__(self, settings: dict, catalogue):
        super().__init__(catalogue)
        self.settings = settings
        train_items, users = catalogue.train_items, catalogue.text.get("user")
        text = rescale(catalogue.item_text, train_items)
        if users is not None:
            users = rescale(users, catalogue.train_users)
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("pool", train_items[text[train_items].any(1)], persistent=False)
        self.register_buffer("user_text", users, persistent=False)

    def items_with_others(self, targets):
        """Return the distinct `targets` that have text, and `others` more items at random that are none of them."""
        items = targets.unique()
        items = items[self.text[items].any(1)]
        others = self.pool[torch.randint(len(self.pool), (self.settings["others"],), device=self.pool.device)]
        return items, others[~torch.isin(others, items)]

    def vectors_of_items(self, items, targets, vectors):
        """Return (n, d) of distinct `items`, some of `targets` (N,): free vectors, or of the targets' `vectors`."""
        return self.items(items) if vectors is None else vectors[places(items, targets)]

    def users_with_text(self, hidden, users):
        """Return vectors and texts of the distinct `users` (N,) that have text, from `hidden` (N, d), theirs."""
        assert self.user_text is not None
        distinct = users.unique()
        distinct = distinct[self.user_text[distinct].any(1)]
        return hidden[places(distinct, users)], self.user_text[distinct]
