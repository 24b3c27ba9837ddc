"""Who chose alike: vectors of users from the training interactions alone."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

DIMENSION = 64


def user_vectors(histories: dict[int, list[int]], items: int) -> np.ndarray:
    """Return vectors (largest user + 1, d) whose cosine says how alike users chose; zeros for who is not there.

    A truncated SVD of the users x items matrix, each entry divided by the square roots of its user's and its item's
    counts: the best low-rank form of the smoothing that LightGCN does (He et al., SIGIR 2020, eq. 3; Peng et al.,
    SVD-GCN, CIKM 2022). The random start is fixed, so that the same matrix gives the same vectors.
    """
    users = np.repeat(np.fromiter(histories, dtype=np.int64), [len(h) for h in histories.values()])
    values = np.concatenate([np.asarray(h, dtype=np.int64) for h in histories.values()])
    matrix = sp.csr_matrix((np.ones(len(users)), (users, values)), shape=(max(histories) + 1, items + 1))
    matrix.data[:] = 1  # repeats count once
    by_user, by_item = (np.sqrt(np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1)) for axis in (1, 0))
    matrix = sp.diags(1 / by_user) @ matrix @ sp.diags(1 / by_item)
    left, strength, _ = randomized_svd(matrix, min(DIMENSION, *(s - 1 for s in matrix.shape)), random_state=0)
    return (left * strength).astype(np.float32)
