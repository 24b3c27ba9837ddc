"""LLM-ESR: an id view and a text view of a history, and users taught by users like them (Liu et al., NeurIPS 2024)."""

import torch
from torch import nn
from torch.nn.functional import mse_loss, normalize

from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.representations.llminit import Representation as Llminit
from ptebench.recommenders.whitening import rescale

CHUNK = 2048  # users whose similarities to all others are alive at once


def similar_users(text: torch.Tensor, train, users: int, number: int) -> torch.Tensor:
    """Return (users + 1, number) the training users nearest by cosine of their histories' mean text (n_items + 1, d).

    A row without training events holds zeros. Source of the idea: section 3.3 of the paper, where the texts of a
    history's items are one prompt.
    """
    owners, items = train.pairs
    total = torch.zeros(users + 1, text.shape[1], device=text.device).index_add_(0, owners, text[items])
    train_users = train.users
    vectors = normalize(total[train_users], dim=1)
    number = min(number, len(train_users) - 1)
    nearest = torch.zeros(users + 1, max(number, 1), dtype=torch.long, device=text.device)
    for start in range(0, len(train_users) if number else 0, CHUNK):
        part = vectors[start : start + CHUNK] @ vectors.T
        part[torch.arange(len(part)), torch.arange(start, start + len(part))] = -2  # not oneself
        nearest[train_users[start : start + CHUNK]] = train_users[part.topk(number, dim=1).indices]
    return nearest


class Representation(Base):
    """Item vectors (n_items + 1, 2 d): a free one that starts from the text's principal components, and adapted text.

    Each view of a history, with the backbone's positions and dropout, asks the other by causal cross-attention (the
    published code lets a position see the next item, its own label) and is read by the one backbone. A user's state is
    drawn to the mean state of similar users, as those states were when last trained on: the published code computes
    them anew, for ten times the work.
    """

    text: torch.Tensor  # (n_items + 1, d_text)
    bank: torch.Tensor  # (n_users + 1, 2 d) states as last trained on
    similar: torch.Tensor  # (n_users + 1, number)

    def __init__(self, settings: dict, catalogue):
        ids = Llminit({"mode": "pca", "shrinkage": 0.0}, catalogue)
        super().__init__(ids.rankable)
        self.settings, self.ids = settings, ids
        text, d = rescale(catalogue.item_text, catalogue.train_items), catalogue.dimension
        self.register_buffer("text", text, persistent=False)
        self.scale = d**-0.5
        self.adapter = nn.Sequential(nn.Linear(text.shape[1], text.shape[1] // 2), nn.Linear(text.shape[1] // 2, d))
        self.of_ids, self.of_text = (nn.MultiheadAttention(d, settings["heads"], batch_first=True) for _ in range(2))
        self.users = catalogue.users
        self.register_buffer("bank", torch.zeros(catalogue.users + 1, 2 * d))

    def observe(self, train) -> None:
        """Find the users like each user, for training."""
        self.similar = similar_users(self.text, train, self.users, self.settings["similar"])

    def item_vectors(self, items=None):
        """Return (n_items + 1, 2 d), or the rows of `items`."""
        text = rows(self.text, items)
        return torch.cat([self.ids.item_vectors(items), self.adapter(text) * self.scale * text.any(1, keepdim=True)], 1)

    def views(self, histories, vectors):
        """Return the id view and the text view of histories (B, L), each (B, L, d)."""
        return vectors[histories].chunk(2, -1)

    def exchange(self, ids, text):
        """Return both views (B, L, d) after each has asked the other."""
        later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool, device=ids.device).triu(1)
        return (
            self.of_ids(text, ids, ids, attn_mask=later, need_weights=False)[0],
            self.of_text(ids, text, text, attn_mask=later, need_weights=False)[0],
        )

    def history_loss(self, users, states):
        """Return weight * the mean squared distance to the mean stored state of similar users."""
        neighbours = self.bank[self.similar[users]]
        count = neighbours.any(-1, keepdim=True).sum(1)
        has_teacher = count[:, 0] > 0
        self.bank[users] = states.detach()
        if not bool(has_teacher.any()):
            return 0.0
        teachers = neighbours.sum(1)[has_teacher] / count[has_teacher]
        return self.settings["weight"] * mse_loss(states[has_teacher], teachers)
