"""What sequence backbones share: batches of histories, the loss of every position, similarity to the query."""

import importlib

import torch
from ptebench.recommenders.sampling import length_batches
from torch import nn
from torch.nn import functional as F


class Sequential(nn.Module):
    """History (B, L) -> query (B, d); an item's score is its similarity to the query.

    A backbone adds `encode(histories, vectors)`: hidden states (B, L, d) of right-padded histories, of which none may
    depend on a later item.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings, self.length = settings, settings["max_length"]
        self.objective = importlib.import_module(f"ptebench.recommenders.losses.{settings['loss']}").loss
        self.register_buffer("known", catalogue.known_items, persistent=False)
        row = torch.zeros(catalogue.items + 1, dtype=torch.long)
        row[catalogue.known_items] = torch.arange(len(catalogue.known_items))
        self.register_buffer("row", row, persistent=False)

    def batches(self, train, generator):
        """Yield right-padded histories (B, <= L + 1) of like length; all positions are examples."""
        lengths = train.histories.lengths.cpu().clamp_max(self.length + 1)
        for rows in length_batches(lengths, self.settings["batch_size"], generator):
            yield train.histories.padded(rows.to(train.users.device), self.length + 1)

    def _similar(self, x):
        """Return vectors as the scores use them, so that training and ranking agree."""
        if self.settings["similarity"] == "dot":
            return x
        return F.normalize(x, dim=-1) / self.settings["temperature"] ** 0.5

    def loss(self, batch, representation, generator):
        """Return the loss over every position that has a next item."""
        vectors = representation.item_vectors()
        targets = batch[:, 1:]
        real = targets > 0
        hidden = self.encode(batch[:, :-1], vectors)[real]
        objective = self.objective(
            self._similar(hidden), self._similar(vectors[self.known]), self.row[targets[real]], generator, self.settings
        )
        return objective + representation.auxiliary_loss(hidden, targets[real])

    def queries(self, histories, users, representation):
        """Return (B, d) for `histories`, a Ragged."""
        rows = torch.arange(len(histories), device=users.device)
        padded = histories.padded(rows, self.length)
        hidden = self.encode(padded, representation.item_vectors())
        last = (padded > 0).sum(1).sub(1).clamp_min(0)
        return self._similar(hidden[rows, last])

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ self._similar(representation.item_vectors()).T
