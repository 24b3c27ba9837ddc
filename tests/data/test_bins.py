"""Equal shares by training counts in place of head and tail."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ptebench.data.leakage import check_split
from ptebench.data.splits import counts, head, shelf
from tests.data.test_protocols import LONG_TAIL, log, split, walks

BINS = LONG_TAIL | {"bins": 5}


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(2, 6))
def test_shelves_hold_at_most_their_share_and_ties_stay_together(values, number):
    count = np.array([0, *values])
    found = shelf(count, [n / number for n in range(1, number)])
    assert ((1 <= found) & (found <= number)).all() and (found[count == 0] == number).all()
    occurring = (count > 0).sum()
    for n in range(1, number):
        assert ((found <= n) & (count > 0)).sum() <= n * occurring / number + 1e-9
    for a in range(len(count)):
        assert (found[count > count[a]] <= found[a]).all() and (found[count == count[a]] == found[a]).all()
    assert ((shelf(count, [0.2]) == 1) == head(count)).all()


def test_counts_that_all_differ_give_equal_shares():
    found = shelf(np.array([0, *range(1, 101)]), [0.2, 0.4, 0.6, 0.8])
    assert np.bincount(found[1:])[1:].tolist() == [20] * 5
    assert found[100] == 1 and found[1] == 5


def test_events_are_in_the_fifth_of_their_user_and_of_their_target():
    interactions = log(
        walks(300, items=80, length=8) + [(300 + u, u % 80, n, None) for u in range(40) for n in range(2)]
    )
    parts, plain = split(interactions, BINS), split(interactions, LONG_TAIL)
    of_item = shelf(counts(parts["train"]["history"], 80), [0.2, 0.4, 0.6, 0.8])
    group = parts["groups"].join(parts["test"], on="event")
    for row in group.filter(pl.col("group").str.starts_with("item_")).to_dicts():
        assert row["group"] == f"item_{of_item[row['targets'][0]]}"
    names = set(parts["groups"]["group"])
    assert {f"item_{n}" for n in range(1, 6)} <= names and not names & {"item_head", "user_head", "user_tail"}

    def events(p, name):
        return set(p["groups"].filter(pl.col("group") == name)["event"])

    assert events(parts, "item_1") == events(plain, "item_head")
    each = [events(parts, f"item_{n}") for n in range(1, 6)]
    assert sum(map(len, each)) == len(set().union(*each)) == parts["test"].height
    found = {c["check"]: c for c in check_split(interactions, parts, BINS)}
    assert found["groups_not_from_train"]["verdict"] == "ok"
    # the groups of another fit are found out
    moved = pl.when(pl.col("group") == "item_1").then(pl.lit("item_2")).otherwise("group").alias("group")
    leaky = check_split(interactions, parts | {"groups": parts["groups"].with_columns(moved)}, BINS)
    assert {c["check"] for c in leaky if c["verdict"] == "leak"} == {"groups_not_from_train"}
