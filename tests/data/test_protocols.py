"""The laws of every protocol on random interactions, the groups, and the leakage checks."""

from importlib import import_module

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ptebench.data.filters import ordered
from ptebench.data.leakage import checks
from ptebench.data.splits import head, highest_overlap
from ptebench.files import CANDIDATES, EVENTS, GROUPS, INTERACTIONS, TRAIN, VOCABULARY, InputError, check

LEAVE_ONE_OUT = {"kind": "leave_one_out"}
COLD = {"kind": "cold_start_user", "last": 4, "valid": 0.25, "test": 0.25, "seed": 1, "given": False}
SNAPSHOT = {"kind": "snapshot", "cut": "1970-01-06", "end": None, "valid": 0.2, "seed": 1}
CONTRACTS = {"vocabulary": VOCABULARY, "train": TRAIN, "valid": EVENTS, "test": EVENTS, "candidates": CANDIDATES,
             "groups": GROUPS}  # fmt: skip
DAY = 86400


def log(rows, tie_break="file"):
    """Return ordered interactions from (user, item, day, part)."""
    frame = pl.DataFrame(
        [(f"u{u}", f"i{i:02}", None if d is None else d * DAY, None, n, p) for n, (u, i, d, p) in enumerate(rows)],
        schema=INTERACTIONS, orient="row",
    )  # fmt: skip
    return ordered(frame, tie_break, 0)


def split(interactions, protocol):
    parts = import_module(f"ptebench.data.protocols.{protocol['kind']}").split(interactions, protocol)
    for name, contract in CONTRACTS.items():
        check(parts[name], contract, name)
    return parts


def raw(parts, side):
    """Return dense id -> raw key."""
    return dict(parts["vocabulary"].filter(pl.col("side") == side).select("id", "raw").rows())


def sequences(interactions):
    return {u: rows["item_id"].to_list() for (u,), rows in interactions.group_by("user_id", maintain_order=True)}


def sane(parts):
    """Check what holds in every split."""
    for side in ("user", "item"):
        names = raw(parts, side)
        assert list(names) == list(range(1, len(names) + 1)) and list(names.values()) == sorted(names.values())
    for name in ("valid", "test"):
        events = parts[name]
        assert events["event"].to_list() == list(range(events.height))
        assert (events["history"].list.len() > 0).all() and (events["targets"].list.len() > 0).all()
    sides = parts["groups"].with_columns(family=pl.col("group").replace_strict(FAMILY))
    sizes = sides.group_by("family").agg(pl.len(), events=pl.col("event").n_unique())
    # within a family the groups are a partition: no event is in two, and all are in one
    assert (sizes["len"] == sizes["events"]).all()
    assert set(sizes.filter(pl.col("family") != "tied")["events"]) <= {parts["test"].height}


FAMILY = {
    "user_head": "user", "user_tail": "user", "item_head": "item", "item_tail": "item", "known_item": "new",
    "new_item": "new", "tied": "tied", "untied": "tied", "near_duplicate": "near", "distinct": "near",
}  # fmt: skip
rows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 12), st.integers(0, 9), st.none()), min_size=12, max_size=90
)
laws = settings(max_examples=60, deadline=None)


@laws
@given(rows)
def test_leave_one_out(rows):
    interactions = log(rows)
    whole = sequences(interactions)
    assume(any(len(s) >= 3 for s in whole.values()))
    parts = split(interactions, LEAVE_ONE_OUT)
    sane(parts)
    users, items = raw(parts, "user"), raw(parts, "item")
    trained = {users[u]: [items[i] for i in h] for u, h in parts["train"].rows()}
    assert set(trained) == set(whole)
    for name, back in (("valid", 2), ("test", 1)):
        asked = {users[r["user"]]: r for r in parts[name].to_dicts()}
        assert set(asked) == {u for u, s in whole.items() if len(s) >= 3}
        for user, row in asked.items():
            s = whole[user]
            assert [items[i] for i in row["history"]] == s[:-back]
            assert [items[i] for i in row["targets"]] == [s[-back]]
            assert trained[user] == s[:-2]
    for user, s in whole.items():
        assert len(s) >= 3 or trained[user] == s
    assert {c["verdict"] for c in checks(interactions, parts, LEAVE_ONE_OUT)} <= {"ok", "reported"}


@laws
@given(st.lists(st.lists(st.integers(0, 12), min_size=2, max_size=8), min_size=8, max_size=14))
def test_cold_start_user(users):
    interactions = log([(u, i, n, None) for u, items in enumerate(users) for n, i in enumerate(items)])
    whole = sequences(interactions)
    parts = split(interactions, COLD)
    sane(parts)
    users, items = raw(parts, "user"), raw(parts, "item")
    trained = {users[u]: [items[i] for i in h] for u, h in parts["train"].rows()}
    asked = [{users[r["user"]]: r for r in parts[name].to_dicts()} for name in ("valid", "test")]
    assert len(trained) + sum(map(len, asked)) == len(whole) == len({*trained, *asked[0], *asked[1]})
    assert [len(a) for a in asked] == [round(0.25 * len(whole))] * 2
    assert all(s == whole[u][-4:] for u, s in trained.items())
    for user, row in (asked[0] | asked[1]).items():
        assert [items[i] for i in row["history"] + row["targets"]] == whole[user][-4:]
    assert {c["verdict"] for c in checks(interactions, parts, COLD)} <= {"ok", "reported"}


@laws
@given(rows)
def test_snapshot_by_time(rows):
    interactions = log(rows)
    before = interactions.filter(pl.col("timestamp") < 5 * DAY)
    after = interactions.filter(pl.col("timestamp") >= 5 * DAY)
    try:
        parts = split(interactions, SNAPSHOT)
    except InputError as error:
        assert "too small" in str(error)
        return
    sane(parts)
    users, items = raw(parts, "user"), raw(parts, "item")
    known = {u: set(s) for u, s in sequences(before).items()}
    later = {u: set(s) for u, s in sequences(after).items()}
    fresh = {u: later[u] - known[u] for u in known if u in later and later[u] - known[u]}
    unseen = set(after["item_id"]) - set(before["item_id"])
    chosen = {name: {items[i] for i in frame["item"]} for (name,), frame in parts["candidates"].group_by("ranking")}
    assert chosen.get("full") == set(after["item_id"]) and chosen.get("zero_shot", set()) == unseen
    for ranking, wanted in (("full", fresh), ("zero_shot", {u: f & unseen for u, f in fresh.items() if f & unseen})):
        events = parts["test"].filter(pl.col("ranking") == ranking)
        got = {users[r["user"]]: r for r in events.to_dicts()}
        assert {u: {items[i] for i in r["targets"]} for u, r in got.items()} == wanted
        assert events["user"].is_unique().all()
        for user, row in got.items():
            assert [items[i] for i in row["history"]] == sequences(before)[user]
    # validation: later than what trains, from the training period only
    number = sum(map(len, parts["train"]["history"].to_list()))
    assert number < before.height
    train_end = before.sort("timestamp")["timestamp"][number - 1]
    held = before.filter(pl.col("timestamp") > train_end).select("user_id", "item_id")
    pairs = parts["valid"].select("user", "targets").explode("targets")
    assert {(users[u], items[i]) for u, i in pairs.rows()} <= set(held.rows())
    assert {c["verdict"] for c in checks(interactions, parts, SNAPSHOT)} <= {"ok", "reported"}


def test_snapshot_given_by_the_publisher():
    rng = np.random.default_rng(0)
    pairs = {(int(u), int(i)) for u, i in rng.integers(0, 12, (70, 2))}
    rows = [(u, i, None, "train" if (u + i) % 3 else "test") for u, i in sorted(pairs)]
    interactions = log(rows)
    parts = split(interactions, SNAPSHOT | {"cut": None})
    sane(parts)
    count = interactions.filter(pl.col("part") == "train").height
    assert parts["valid"].height == round(0.2 * count)  # one interaction each, of users that keep one
    assert parts["train"]["history"].list.len().sum() == count - parts["valid"].height
    assert set(parts["valid"]["ranking"]) == {"validation"}


def test_a_given_split_of_users_is_kept():
    rows = [(u, u + n, None, ["train", "train", "valid", "test"][u % 4]) for u in range(8) for n in range(3)]
    parts = split(log(rows), COLD | {"given": True})
    users = raw(parts, "user")
    assert [{int(users[u][1:]) % 4 for u in parts[p]["user"]} for p in ("train", "valid", "test")] == [{0, 1}, {2}, {3}]


def test_publishers_split_is_missing_or_mixed():
    rows = [(u, n, None, None) for u in range(4) for n in range(3)]
    with pytest.raises(InputError, match="given: the dataset has no split of its own"):
        split(log(rows), COLD | {"given": True})
    with pytest.raises(InputError, match="no split of its own; set cut"):
        split(log(rows), SNAPSHOT | {"cut": None})
    with pytest.raises(InputError, match="cut needs timestamps"):
        split(log(rows), SNAPSHOT)
    mixed = [(u, n, None, "train" if n else "test") for u in range(4) for n in range(3)]
    with pytest.raises(InputError, match="user 'u0' is in more than one part"):
        split(log(mixed), COLD | {"given": True})


@pytest.mark.parametrize("protocol", [LEAVE_ONE_OUT, COLD, SNAPSHOT])
def test_a_dataset_too_small(protocol):
    with pytest.raises(InputError, match=r"too small for this protocol: .*; "):
        split(log([(0, 1, 1, None), (1, 2, 2, None)]), protocol)


@laws
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_head_is_at_most_a_fifth_and_ties_go_to_the_tail(counts):
    count = np.array([0, *counts])
    chosen = head(count)
    occurring = count > 0
    assert chosen.sum() <= 0.2 * occurring.sum()
    if chosen.any():
        assert count[chosen].min() > count[occurring & ~chosen].max()


def test_groups_use_training_counts_alone():
    # item 9 is popular in tests only: its training count is what decides
    rows = [(u, i, i, None) for u in range(10) for i in (1, 2, 3 + u % 3)] + [(u, 9, 20, None) for u in range(10)]
    parts = split(log(rows), LEAVE_ONE_OUT)
    names = parts["groups"].group_by("group").len()
    assert dict(names.rows())["new_item"] == 10 and dict(names.rows())["item_tail"] == 10


def test_tied_test_transitions():
    rows = [(u, i, d, None) for u in range(2) for i, d in ((1, 1), (2, 2), (3, 3), (4, 3 + u))]
    parts = split(log(rows), LEAVE_ONE_OUT)
    assert parts["groups"].filter(pl.col("group").is_in(["tied", "untied"])).rows() == [(0, "tied"), (1, "untied")]
    found = {c["check"]: c["value"] for c in checks(log(rows), parts, LEAVE_ONE_OUT)}
    assert found["tied_test_transitions"] == 0.5


@laws
@given(*[st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=5), min_size=1, max_size=6)] * 2)
def test_overlap(left, right):
    best = highest_overlap(*(pl.Series(s, dtype=pl.List(pl.Int32)) for s in (left, right)), block=2)
    plain = [max(len({*a} & {*b}) / len({*a} | {*b}) for b in right) for a in left]
    np.testing.assert_allclose(best, plain)


def found_in(interactions, parts, protocol):
    return {c["check"]: c["verdict"] for c in checks(interactions, parts, protocol)}


def test_planted_leaks_are_found():
    rows = [(u, (u * 3 + n) % 20, n, None) for u in range(12) for n in range(8)]
    interactions = log(rows)
    cold = split(interactions, COLD)
    leaky = cold | {"train": pl.concat([cold["train"], cold["test"].select(*TRAIN)])}
    assert found_in(interactions, leaky, COLD)["users_in_several_parts"] == "leak"
    snapshot = split(interactions, SNAPSHOT)
    late = snapshot["train"].with_columns(history=pl.lit([1, 2, 3], dtype=pl.List(pl.Int32)))
    assert found_in(interactions, snapshot | {"train": late}, SNAPSHOT)["train_pairs_after_cut"] == "leak"
    all_items = snapshot["candidates"].with_columns(ranking=pl.lit("zero_shot"))
    assert (
        found_in(interactions, snapshot | {"candidates": all_items}, SNAPSHOT)["zero_shot_candidates_in_train"]
        == "leak"
    )
    plain = split(interactions, LEAVE_ONE_OUT)
    longer = plain["train"].with_columns(pl.concat_list("history", pl.lit(1, pl.Int32)))
    assert found_in(interactions, plain | {"train": longer}, LEAVE_ONE_OUT)["interactions_used_twice"] == "leak"
