"""Who chose alike, and what was chosen alike: vectors of users and items from the training interactions alone."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

DIMENSION = 64


def factors(users: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of users (shape[0], d) and of items (shape[1], d) whose cosine says how alike two are.

    `users` (N,) and `items` (N,) are pairs; who is in none has zeros. A truncated SVD of the users x items matrix, each
    entry divided by the square roots of its user's and its item's counts: the best low-rank form of the smoothing that
    LightGCN does (He et al., SIGIR 2020, eq. 3; Peng et al., SVD-GCN, CIKM 2022). The random start is fixed, so that
    the same matrix gives the same vectors.
    """
    matrix = sp.csr_matrix((np.ones(len(users)), (users, items)), shape=shape)
    matrix.data[:] = 1  # repeats count once
    by_user, by_item = (np.sqrt(np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1)) for axis in (1, 0))
    matrix = sp.diags(1 / by_user) @ matrix @ sp.diags(1 / by_item)
    left, strength, right = randomized_svd(matrix, min(DIMENSION, *(s - 1 for s in matrix.shape)), random_state=0)
    return (left * strength).astype(np.float32), (right.T * strength).astype(np.float32)
