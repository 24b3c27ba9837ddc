"""Events with candidates of their own, from the files to the ranks."""

import numpy as np
import polars as pl
import pytest
import torch

from ptebench.files import EVENTS, OWN_CANDIDATES, InputError, write_table
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.split import read_events

ITEMS = 30


class Fixed:
    """Scores that depend on the user alone."""

    items = ITEMS

    def __init__(self, table):
        self.table = torch.from_numpy(table)

    def scores(self, histories, users):
        return self.table[users]


def files(folder, own):
    random = np.random.default_rng(5)
    rows = []
    for number in range(12):  # each user is asked about in both rankings, histories of all lengths in mixed order
        items = random.permutation(np.arange(1, ITEMS + 1))
        history = items[: 1 + number * 5 % 7].tolist()
        rows.append((number, "full" if number < 6 else "uniform", number % 6 + 1, history, [int(items[-1])]))
    write_table(pl.DataFrame(rows, schema=EVENTS, orient="row"), folder / "test.parquet", EVENTS)
    own = [([event], items) for event, items in own]
    write_table(pl.DataFrame(own, schema=OWN_CANDIDATES, orient="row"), folder / "candidates.parquet", OWN_CANDIDATES)
    return rows, read_events(folder / "test.parquet", folder / "candidates.parquet", ITEMS)


def test_each_event_is_ranked_among_its_own_candidates(tmp_path):
    random = np.random.default_rng(6)
    # in another order than the events', of unequal length
    own = [
        (n, (1 + random.permutation(ITEMS)[: 4 + n % 3]).tolist())
        for n in random.permutation(np.arange(6, 12)).tolist()
    ]
    rows, (full, uniform) = files(tmp_path, own)
    assert full.candidates is None and uniform.candidates.shape == (6, 6)
    table = random.normal(size=(7, ITEMS + 1))
    ranks, sizes = rank(Fixed(table), None, uniform, False)
    for (event, _, user, _, targets), found, size in zip(rows[6:], ranks.tolist(), sizes.tolist(), strict=True):
        pool = {*dict(own)[event], *targets}
        assert size == len(pool)
        assert found == 1 + sum(table[user][i] > table[user][targets[0]] for i in pool)
    assert rank(Fixed(table), None, full, False)[1].tolist() == [ITEMS] * 6


def test_an_event_without_candidates_beside_others_with_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"candidates.parquet: event 11 has no candidates, others of its ranking do"):
        files(tmp_path, [(n, [1, 2]) for n in range(6, 11)])
