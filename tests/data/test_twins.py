"""Near duplicates against all pairs compared."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptebench.data.twins import NEAR, near_duplicates


def column(lists):
    return pl.Series(lists, dtype=pl.List(pl.Int32))


def overlap(a, b):
    return len({*a} & {*b}) / max(1, len({*a} | {*b}))


def compared(left, right, owners=None):
    """Return the mask by comparing all pairs."""
    users = owners or ([0] * len(left), [1] * len(right))
    return [
        any(overlap(a, b) >= NEAR for b, v in zip(right, users[1]) if u != v) for a, u in zip(left, users[0])
    ]  # fmt: skip


LISTS = st.lists(st.lists(st.integers(1, 9), max_size=9), min_size=1, max_size=9)


@given(LISTS, LISTS, st.integers(1, 40))
def test_the_mask_is_that_of_all_pairs(left, right, limit):
    assert near_duplicates(column(left), column(right), limit=limit).tolist() == compared(left, right)
    owners = [[n % 2 for n in range(len(lists))] for lists in (left, right)]
    found = near_duplicates(column(left), column(right), [pl.Series(o) for o in owners], limit)
    assert found.tolist() == compared(left, right, owners)


@pytest.mark.parametrize("limit", [64, 2**24])
def test_the_mask_is_that_of_all_pairs_where_items_are_of_any_popularity(limit):
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, 61)
    lists = [rng.choice(60, rng.integers(1, 14), p=share / share.sum()).tolist() for _ in range(300)]
    left, right = lists[:150], lists[150:]
    expected = compared(left, right)
    assert 0.2 < np.mean(expected) < 0.8
    assert near_duplicates(column(left), column(right), limit=limit).tolist() == expected
