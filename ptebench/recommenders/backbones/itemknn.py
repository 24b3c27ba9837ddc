"""Item-KNN: cosine of co-occurrence in training histories."""

import numpy as np
import scipy.sparse as sp

from ptebench.recommenders.counter import ItemToItem


class Counter(ItemToItem):
    """cosine(i, j) = users with both / sqrt(users with i * users with j); an item is no neighbour of itself."""

    def fit(self, train) -> None:
        """Count co-occurrence over distinct user-item pairs."""
        users, items = (t.numpy() for t in train.pairs)
        incidence = sp.csr_array((np.ones(len(users)), (users, items)), shape=(int(users.max()) + 1, self.items + 1))
        incidence.data[:] = 1.0  # repeated pairs were summed
        together = (incidence.T @ incidence).tocsr()
        degree = np.sqrt(np.maximum(together.diagonal(), 1.0))
        together.setdiag(0.0)
        together.eliminate_zeros()
        row = np.repeat(np.arange(self.items + 1), np.diff(together.indptr))
        together.data /= degree[row] * degree[together.indices]
        self.matrix = together
