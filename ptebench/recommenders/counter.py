"""What the item-to-item counters share: sparse counts, and votes that fade along the history."""

import numpy as np
import scipy.sparse as sp
import torch


class ItemToItem:
    """Scores (B, n_items + 1) = decayed sum, over the last items of a history, of their rows of a matrix."""

    def __init__(self, settings: dict, catalogue):
        self.settings, self.items = settings, catalogue.items
        self.popularity = catalogue.item_counts.numpy().astype(np.float64)

    def state_dict(self) -> dict:
        """Return the matrix as tensors, in CSR."""
        m = self.matrix
        parts = {"row_offsets": m.indptr, "columns": m.indices, "values": m.data}
        return {name: torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}

    def load_state_dict(self, state: dict) -> None:
        """Take the matrix back."""
        parts = (state[name].numpy() for name in ("values", "columns", "row_offsets"))
        self.matrix = sp.csr_array(tuple(parts), shape=(self.items + 1,) * 2)

    def scores(self, histories, users) -> torch.Tensor:
        """Return (B, n_items + 1) float64; popularity, 1e-6 of a count, orders what no transition reaches."""
        padded = histories.padded(torch.arange(len(histories)), self.settings["window"]).numpy()
        length = (padded > 0).sum(1, keepdims=True)
        weight = np.where(padded > 0, self.settings["decay"] ** (length - np.arange(padded.shape[1])), 0.0)
        row = np.repeat(np.arange(len(padded)), padded.shape[1])
        votes = sp.csr_array((weight.ravel(), (row, padded.ravel())), shape=(len(padded), self.items + 1))
        return torch.from_numpy((votes @ self.matrix).toarray() + 1e-6 * self.popularity)


def counts(rows, columns, values, size: int) -> sp.csr_array:
    """Return the sum of `values` per (row, column), (size, size)."""
    return sp.coo_array((values, (rows, columns)), shape=(size, size)).tocsr()
