"""EASE: a linear item-to-item model with zero diagonal, in closed form (Steck, WWW 2019)."""

import numpy as np
import scipy.sparse as sp
import torch


class Counter:
    """Scores (B, n_items + 1) = X B with B_ij = -P_ij / P_jj, B_ii = 0, P = (X'X + l2 I)^-1; no gradient, no seed."""

    def __init__(self, settings: dict, catalogue):
        self.settings, self.items = settings, catalogue.items

    def fit(self, train) -> None:
        """Invert the Gram matrix of distinct user-item pairs; an item without training events has a row of zeros."""
        users, items = (t.numpy() for t in train.pairs)
        incidence = sp.csr_array((np.ones(len(users)), (users, items)), shape=(int(users.max()) + 1, self.items + 1))
        incidence.data[:] = 1.0  # repeated pairs were summed
        gram = torch.from_numpy((incidence.T @ incidence).toarray())
        gram.diagonal().add_(self.settings["l2"])
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        inverse /= -inverse.diagonal().clone()
        inverse.fill_diagonal_(0)
        self.matrix = inverse.float()

    def state_dict(self) -> dict:
        """Return B (n_items + 1, n_items + 1)."""
        return {"matrix": self.matrix}

    def load_state_dict(self, state: dict) -> None:
        """Take B back."""
        self.matrix = state["matrix"]

    def scores(self, histories, users) -> torch.Tensor:
        """Return (B, n_items + 1): the sum of B's rows over the distinct items of a history."""
        row = torch.repeat_interleave(torch.arange(len(histories)), histories.lengths)
        pairs = torch.stack([row, histories.values]).unique(dim=1)
        shape = (len(histories), self.items + 1)
        incidence = torch.sparse_coo_tensor(pairs, torch.ones(pairs.shape[1]), shape)
        return incidence @ self.matrix
