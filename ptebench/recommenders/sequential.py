"""What sequence backbones share: batches of histories, the loss of every position, similarity to the query."""

import importlib

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.sampling import length_batches


class Sequential(nn.Module):
    """History (B, L) -> query (B, d); an item's score is its similarity to the query.

    A backbone adds `read`.
    """

    train_items: torch.Tensor  # ids of the items that training knows
    row: torch.Tensor  # (n_items + 1,) the row of an item among them

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings, self.length = settings, settings["max_length"]
        self.dropout = Dropout(settings["dropout"])
        objective = importlib.import_module(f"ptebench.recommenders.losses.{settings['loss']}")
        self.draw, self.objective = objective.draw, objective.loss
        self.register_buffer("train_items", catalogue.train_items, persistent=False)
        row = torch.zeros(catalogue.items + 1, dtype=torch.long)
        row[catalogue.train_items] = torch.arange(len(catalogue.train_items))
        self.register_buffer("row", row, persistent=False)

    def batches(self, train, generator):
        """Yield users (B,) and right-padded histories (B, <= L + 1) of like length; all positions are examples."""
        lengths = train.histories.lengths.cpu().clamp_max(self.length + 1)
        for rows in length_batches(lengths, self.settings["batch_size"], generator):
            rows = rows.to(train.users.device)
            yield train.users[rows], train.histories.padded(rows, self.length + 1)

    def _similar(self, x):
        """Return vectors scaled for the similarity, in training as in ranking."""
        if self.settings["similarity"] == "dot":
            return x
        return F.normalize(x, dim=-1) / self.settings["temperature"] ** 0.5

    def place(self, histories, inputs):
        """Return the inputs (B, L, d) of right-padded histories (B, L), scaled and after dropout."""
        return self.dropout(inputs * inputs.shape[2] ** 0.5)

    def read(self, histories, places):
        """Return hidden states (B, L, d) of right-padded histories, from what `place` makes of their items.

        None may depend on a later item.
        """
        raise NotImplementedError

    def encode(self, histories, inputs):
        """Return hidden states (B, L, d) of right-padded histories (B, L) with inputs (B, L, d)."""
        return self.read(histories, self.place(histories, inputs))

    def read_all(self, histories, views, users):
        """Return the hidden states (B, L, d) of each of the `views` (B, L, d) of the histories of `users` (B,)."""
        return [self.read(histories, view) for view in views]

    def states(self, histories, vectors, representation, users):
        """Return hidden states (B, L, d) of right-padded histories of `users`, those of several views side by side."""
        views = [self.place(histories, view) for view in representation.views(histories, vectors)]
        return torch.cat(self.read_all(histories, representation.exchange(*views), users), -1)

    def loss_inputs(self, histories, targets, representation, generator):
        """Return item vectors, `histories` as rows of them, and the arguments of the loss after the hidden states.

        These are vectors, and targets (N,) and negatives as rows of the vectors. With sampled negatives, a step
        computes only the vectors of its own items: its cost depends on the batch, not on the catalogue.
        """
        row = self.row[targets]
        negatives = self.draw(row, len(self.train_items), generator, self.settings)
        if negatives is None:
            vectors = representation.item_vectors()
            return vectors, histories, (self._similar(F.embedding(self.train_items, vectors)), row, None)
        vectors, (rows, *others) = representation.vectors_of(histories, targets, self.train_items[negatives])
        return vectors, rows, (self._similar(vectors), *others)

    def loss(self, batch, representation, generator):
        """Return the loss over every position that has a next item."""
        users, histories = batch
        targets = histories[:, 1:]
        real = targets > 0
        vectors, rows, comparison = self.loss_inputs(histories, targets[real], representation, generator)
        # without its last item, a row is as long as if it were alone in the batch
        states = self.states(rows[:, :-1] * real, vectors, representation, users)
        hidden = states[real]
        objective = self.objective(self._similar(hidden), *comparison, len(self.train_items), self.settings)
        last = states[torch.arange(len(users), device=users.device), real.sum(1) - 1]
        return (
            objective + representation.auxiliary_loss(hidden, targets[real]) + representation.history_loss(users, last)
        )

    def queries(self, histories, users, representation):
        """Return (B, d) for `histories`, a Ragged."""
        rows = torch.arange(len(histories), device=users.device)
        padded = histories.padded(rows, self.length)
        hidden = self.states(padded, representation.item_vectors(), representation, users)
        last = (padded > 0).sum(1).sub(1).clamp_min(0)
        return self._similar(hidden[rows, last])

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ self._similar(representation.item_vectors()).T
