"""Who chose alike: vectors of users from the training interactions alone."""

import numpy as np

from ptebench.collaborative import factors


def user_vectors(histories: dict[int, list[int]], items: int) -> np.ndarray:
    """Return vectors (largest user + 1, d) whose cosine says how alike users chose; zeros for who is not there."""
    users = np.repeat(np.fromiter(histories, dtype=np.int64), [len(h) for h in histories.values()])
    values = np.concatenate([np.asarray(h, dtype=np.int64) for h in histories.values()])
    return factors(users, values, (max(histories) + 1, items + 1))[0]
