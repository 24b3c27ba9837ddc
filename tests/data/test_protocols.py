"""The laws of every protocol on random interactions, the groups, and the leakage checks."""

from importlib import import_module

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ptebench.data.filters import sort_events
from ptebench.data.leakage import check_split
from ptebench.data.negatives import draw, keys
from ptebench.data.splits import complete, counts, dated, groups, head, of_events
from ptebench.files import (
    CANDIDATES,
    EVENTS,
    GROUPS,
    INTERACTIONS,
    OWN_CANDIDATES,
    TRAIN,
    VOCABULARY,
    InputError,
    check,
)  # fmt: skip

LEAVE_ONE_OUT = {"kind": "leave_one_out", "remove_seen": False}
COLD = {"kind": "cold_start_user", "last": 4, "valid": 0.25, "test": 0.25, "seed": 1, "given": False, "cold_k": [],
        "remove_seen": False}  # fmt: skip
SNAPSHOT = {"kind": "snapshot", "cut": "1970-01-06", "end": None, "valid": 0.2, "seed": 1}
LONG_TAIL = {"kind": "long_tail", "negatives": 5, "seed": 1, "heads_compat": None, "bins": None, "remove_seen": False}
GLOBAL = {"kind": "global_temporal", "cuts": ["1970-01-06", "1970-01-08"], "end": "1970-01-10", "valid": 0.2,
          "remove_seen": False}  # fmt: skip
CONTRACTS = {"vocabulary": VOCABULARY, "train": TRAIN, "valid": EVENTS, "test": EVENTS, "candidates": CANDIDATES,
             "groups": GROUPS, "histories": TRAIN}  # fmt: skip
DAY = 86400


def log(rows, tie_break="file"):
    """Return ordered interactions from (user, item, day, part)."""
    frame = pl.DataFrame(
        [(f"u{u}", f"i{i:02}", None if d is None else d * DAY, None, n, p) for n, (u, i, d, p) in enumerate(rows)],
        schema=INTERACTIONS, orient="row",
    )  # fmt: skip
    return sort_events(frame, tie_break, 0)


def split(interactions, protocol):
    parts = complete(import_module(f"ptebench.data.protocols.{protocol['kind']}").split(interactions, protocol))
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
        asked = events.filter(pl.col("ranking") != "cold_0")
        assert (asked["history"].list.len() > 0).all() and (events["targets"].list.len() > 0).all()
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
    assert {c["verdict"] for c in check_split(interactions, parts, LEAVE_ONE_OUT)} <= {"ok", "reported"}


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
    assert {c["verdict"] for c in check_split(interactions, parts, COLD)} <= {"ok", "reported"}


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
    assert {c["verdict"] for c in check_split(interactions, parts, SNAPSHOT)} <= {"ok", "reported"}


@laws
@given(rows)
def test_long_tail(rows):
    interactions = log(rows)
    assume(any(len(s) >= 3 for s in sequences(interactions).values()))
    try:
        parts = split(interactions, LONG_TAIL)
    except InputError as error:
        assert "lower the protocol's negatives" in str(error)
        return
    sane(parts)
    plain = split(interactions, LEAVE_ONE_OUT)
    assert all(parts[name].equals(plain[name]) for name in ("train", "valid", "valid_candidates", "histories"))
    columns = ["user", "history", "targets"]
    for ranking in ("full", "uniform", "matched"):
        assert parts["test"].filter(pl.col("ranking") == ranking)[columns].equals(plain["test"][columns])
    # each event of a ranking has the groups that leave-one-out gives it
    number = plain["test"].height
    again = parts["groups"].with_columns(pl.col("event") % number).sort("event", "group")
    assert again.equals(pl.concat([plain["groups"]] * 3).sort("event", "group"))
    check(parts["test_candidates"], OWN_CANDIDATES, "candidates")
    assert set(of_events(parts["test_candidates"])["event"]) == set(range(number, 3 * number))
    names, owned = raw(parts, "item"), sequences(interactions)
    users = raw(parts, "user")
    for row in of_events(parts["test_candidates"]).join(parts["test"], on="event").to_dicts():
        drawn = {names[i] for i in row["items"]}
        assert len(row["items"]) == len(drawn) == 5 and not drawn & set(owned[users[row["user"]]])
    assert {c["verdict"] for c in check_split(interactions, parts, LONG_TAIL)} <= {"ok", "reported"}


def walks(users, items=60, length=8):
    rng = np.random.default_rng(3)
    popular = np.arange(1, items + 1) ** -0.7
    return [
        (u, int(i), n, None)
        for u in range(users)
        for n, i in enumerate(rng.choice(items, length, replace=False, p=popular / popular.sum()))
    ]


def negatives(parts, ranking):
    """Return user -> raw items of the frozen negatives of a ranking, in their order."""
    users, items = raw(parts, "user"), raw(parts, "item")
    rows = of_events(parts["test_candidates"]).join(parts["test"].filter(pl.col("ranking") == ranking), on="event")
    return {users[r["user"]]: [items[i] for i in r["items"]] for r in rows.to_dicts()}


def test_a_draw_depends_on_its_own_event_alone():
    catalogue = [(100 + i, i, 0, None) for i in range(60)]  # users who train only, and keep all items known
    rows = walks(40) + catalogue
    whole, less = (split(log(r), LONG_TAIL) for r in (rows, [r for r in walks(40) if r[0] % 3] + catalogue))
    assert raw(whole, "item") == raw(less, "item")
    all_of_them = negatives(whole, "uniform")
    assert negatives(less, "uniform") == {u: all_of_them[u] for u in negatives(less, "uniform")}
    assert negatives(split(log(rows), LONG_TAIL | {"seed": 2}), "uniform") != all_of_them
    # and on no other ranking
    assert sum(all_of_them[u] == n for u, n in negatives(whole, "matched").items()) < 3


def test_uniform_negatives_are_uniform_and_matched_ones_take_popularity_away():
    parts = split(log(walks(1500, items=400, length=6)), LONG_TAIL)
    trained = counts(parts["train"]["history"], 400)
    test = parts["test"].join(of_events(parts["test_candidates"]), on="event")
    better = {}
    for (ranking,), events in test.group_by("ranking"):
        own = trained[np.array(events["items"].to_list())]
        level = trained[events["targets"].list.first().to_numpy()][:, None]
        # the most and the least popular items have their like on one side only
        inner = (level > np.sort(trained[1:])[16]) & (level < np.sort(trained[1:])[-17])
        better[ranking] = float(((own > level) + 0.5 * (own == level))[inner[:, 0]].mean())
    assert better["uniform"] < 0.4, "popularity alone ranks the targets high among uniform negatives"
    assert abs(better["matched"] - 0.5) < 0.02, "and at chance among those of like popularity"
    # users own 6 items, mostly popular ones; the tail half of the catalogue is hardly owned and so drawn alike
    drawn = np.bincount(np.concatenate(test.filter(pl.col("ranking") == "uniform")["items"].to_list()), minlength=401)
    tail = drawn[201:]
    assert abs(tail - tail.mean()).max() < 5 * tail.mean() ** 0.5


@laws
@given(st.integers(1, 30), st.integers(0, 20), st.integers(0, 2**40))
def test_draw_takes_all_that_there_is(number, owned, seed):
    """The hardest case: nothing may be drawn but the wanted number."""
    items = number + owned
    taken = np.random.default_rng(seed).permutation(np.arange(1, items + 1))[:owned]
    taken = np.sort(taken) if owned else np.array([0])
    got = draw(keys(["u"], seed), np.arange(1, items + 1), np.array([0]), np.array([items]), taken, number)
    assert sorted([*got[0], *taken[taken > 0]]) == list(range(1, items + 1))


def test_published_thresholds_count_what_they_count():
    """Users by visible items at test, target items by all their interactions, the tested ones included."""
    # user 0: 10 items, so 9 are visible at test; item i9 ends three sequences, item i8 four
    rows = [(0, n, n, None) for n in range(10)]
    rows += [(u, 20 + n, n, None) for u in (1, 2, 3) for n in range(5)] + [(u, 9, 9, None) for u in (1, 2)]
    rows += [(u, 40 + u * 5 + n, n, None) for u in (3, 4, 5) for n in range(9)] + [(u, 8, 19, None) for u in (3, 4, 5)]
    compat = LONG_TAIL | {"heads_compat": {"user": 9, "item": 4}}
    parts, plain = split(log(rows), compat), split(log(rows), LONG_TAIL)
    users = raw(parts, "user")
    labels = parts["groups"].filter(pl.col("event") < 6).join(parts["test"], on="event").select("user", "group")
    sides = {"user": {"u0", "u3", "u4", "u5"}, "item": {"u3", "u4", "u5"}}
    for side, heads in sides.items():
        for name, expected in (("head", heads), ("tail", set(users.values()) - heads)):
            found = labels.filter(pl.col("group") == f"{side}_{name}_compat")["user"]
            assert {users[u] for u in found} == expected and len(found) == len(expected)
    # beside the groups of training counts, which stay as they are
    assert parts["groups"].filter(~pl.col("group").str.ends_with("_compat")).equals(plain["groups"])
    found = {c["check"]: c for c in check_split(log(rows), parts, compat)}
    assert found["compat_groups_made_of_interactions"]["value"] == len(rows)
    assert found["groups_not_from_train"]["verdict"] == "ok"
    assert "compat_groups_made_of_interactions" not in {c["check"] for c in check_split(log(rows), plain, LONG_TAIL)}


def test_too_few_items_for_the_negatives():
    with pytest.raises(InputError, match=r"user 'u0' has 8 of 60 items, which leaves fewer than 53; lower"):
        split(
            log(
                [(0, i, n, None) for n, i in enumerate(range(8))]
                + [(1, i, n, None) for n, i in enumerate(range(8, 60))]
            ),
            LONG_TAIL | {"negatives": 53},
        )


@laws
@given(rows)
def test_global_temporal(rows):
    interactions = log(rows)
    try:
        parts = split(interactions, GLOBAL)
    except InputError as error:
        assert "too small" in str(error)
        return
    sane(parts)
    users, items = raw(parts, "user"), raw(parts, "item")
    days = {
        u: list(zip(f["item_id"], f["timestamp"] // DAY))
        for (u,), f in interactions.group_by("user_id", maintain_order=True)
    }
    trained = {users[u]: [items[i] for i in h] for u, h in parts["train"].rows()}
    before = interactions.filter(pl.col("timestamp") < 5 * DAY)["timestamp"].sort()
    start = before[-round(0.2 * len(before))] // DAY
    assert trained == {u: [i for i, d in s if d < start] for u, s in days.items() if s[0][1] < start}
    shown = {name: {items[i] for i in f["item"]} for (name,), f in parts["candidates"].group_by("ranking")}
    asked = pl.concat([parts["valid"], parts["test"]])
    for name, low, high in (("validation", start, 5), ("window_1", 5, 7), ("window_2", 7, 9)):
        got = {users[r["user"]]: r for r in asked.filter(pl.col("ranking") == name).to_dicts()}
        wanted = {u: [i for i, d in s if low <= d < high] for u, s in days.items() if s[0][1] < low}
        assert {u: items[r["targets"][0]] for u, r in got.items()} == {u: w[0] for u, w in wanted.items() if w}
        for user, row in got.items():
            assert len(row["targets"]) == 1
            assert [items[i] for i in row["history"]] == [i for i, d in days[user] if d < low]
        assert shown[name] == {i for s in days.values() for i, d in s if d < high}
    assert {c["verdict"] for c in check_split(interactions, parts, GLOBAL)} <= {"ok", "reported"}


def test_one_window_is_the_ranking_full_and_ties_with_the_next_item_are_told():
    rows = [(u, n, n, None) for u in range(6) for n in range(5)] + [(u, 9, 5 + u % 2, None) for u in range(6)]
    rows += [(u, 8, 5, None) for u in range(6)]
    parts = split(log(rows), GLOBAL | {"cuts": ["1970-01-06"], "end": None})
    assert parts["test"]["ranking"].unique().to_list() == ["full"]
    assert dict(parts["groups"].group_by("group").len().rows())["tied"] == 3
    with pytest.raises(InputError, match="interactions without a timestamp; use another protocol"):
        split(log([(0, 1, None, None)]), GLOBAL)


def test_cold_k_shows_the_last_items_alone():
    interactions = log([(u, u + n, n, None) for u in range(20) for n in range(3 + u % 4)])
    whole, cold = split(interactions, COLD), split(interactions, COLD | {"cold_k": [0, 2]})
    sane(cold)
    assert cold["train"].equals(whole["train"]) and cold["valid"].equals(whole["valid"])
    assert cold["test"]["ranking"].unique(maintain_order=True).to_list() == ["cold_0", "cold_2"]
    for k in (0, 2):
        part = cold["test"].filter(pl.col("ranking") == f"cold_{k}")
        assert part[["user", "targets"]].equals(whole["test"][["user", "targets"]])
        assert part["history"].to_list() == [h[len(h) - k :] if k else [] for h in whole["test"]["history"].to_list()]
    # what profiles are written from is no more than the poorest ranking shows
    known = dict(cold["histories"].rows())
    assert all(known[u] == [] for u in cold["test"]["user"]) and all(known[u] for u in cold["valid"]["user"])
    one = split(interactions, COLD | {"cold_k": [2]})
    assert {u: h for u, h in one["histories"].rows() if u in set(one["test"]["user"])} == dict(
        one["test"].select("user", "history").rows()
    )
    sizes = [dict(p["groups"].group_by("group").len().rows()) for p in (whole, cold)]
    assert sizes[1] == {group: 2 * size for group, size in sizes[0].items()}
    assert {c["verdict"] for c in check_split(interactions, cold, COLD | {"cold_k": [0, 2]})} <= {"ok", "reported"}


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


ASKED = [LEAVE_ONE_OUT, LONG_TAIL, GLOBAL, COLD, COLD | {"cold_k": [0, 2]}]


@pytest.mark.parametrize("protocol", ASKED, ids=lambda p: f"{p['kind']}{len(p.get('cold_k', []))}")
@laws
@given(rows=rows)
def test_a_target_in_the_history_is_no_event_where_seen_items_leave_the_ranking(protocol, rows):
    interactions, removed = log(rows), protocol | {"remove_seen": True}
    try:
        kept = split(interactions, protocol)
    except InputError:
        return
    # every cold_k asks the same users: what counts is the whole history, not what a ranking shows of it
    whole = split(interactions, protocol | {"cold_k": []}) if protocol.get("cold_k") else kept
    repeats = {}
    for part in ("valid", "test"):
        seen = [bool({*row["history"]} & {*row["targets"]}) for row in whole[part].to_dicts()]
        repeats[part] = pl.Series(seen * (kept[part].height // len(seen)))
    try:
        parts = split(interactions, removed)
    except InputError as error:
        assert "set the protocol's remove_seen: false" in str(error) or "lower the protocol's" in str(error)
        return
    sane(parts)
    columns = ["ranking", "user", "history", "targets"]
    for part, repeat in repeats.items():
        assert parts[part][columns].equals(kept[part].filter(~repeat)[columns])
    assert parts["train"].equals(kept["train"])
    found = {c["check"]: c for c in check_split(interactions, parts, removed)}
    assert {c["verdict"] for c in found.values()} <= {"ok", "reported"}
    number = whole["test"].height if protocol["kind"] != "long_tail" else whole["test"].height // 3
    for part, repeat in (("valid", repeats["valid"]), ("test", repeats["test"].head(number))):
        assert found[f"{part}_repeats_not_asked"]["value"] == repeat.sum()
    assert found["test_targets_in_history"]["expected"] == 0
    groups_of = parts["groups"].join(parts["test"], on="event").select("ranking", "user", "group")
    before = kept["groups"].join(kept["test"], on="event").select("ranking", "user", "group")
    assert groups_of.join(before, on=groups_of.columns, how="anti").is_empty()


@pytest.mark.parametrize("protocol", ASKED, ids=lambda p: f"{p['kind']}{len(p.get('cold_k', []))}")
def test_a_log_of_repeats_alone_has_no_event_and_says_so(protocol):
    rows = [(u, u, n, None) for u in range(12) for n in range(12)]
    with pytest.raises(InputError, match=r"no .* target is new to its user; set the protocol's remove_seen: false"):
        split(log(rows), protocol | {"remove_seen": True})


def test_thresholds_of_all_interactions_count_repeats_that_are_not_asked():
    rows = [(u, n, n, None) for u in range(9) for n in range(4)] + [(u, 0, 9, None) for u in range(3)]
    compat = LONG_TAIL | {"negatives": 1, "heads_compat": {"user": 1, "item": 9}}
    rows += [(20 + u, 10 + u, 0, None) for u in range(9)]
    for flag in (False, True):
        parts = split(log(rows), compat | {"remove_seen": flag})
        heads = parts["groups"].filter(pl.col("group") == "item_head_compat").height
        assert heads == 3 * (6 if flag else 9)


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


@pytest.mark.parametrize("protocol", [LEAVE_ONE_OUT, COLD, SNAPSHOT, LONG_TAIL, GLOBAL], ids=lambda p: p["kind"])
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
    found = {c["check"]: c["value"] for c in check_split(log(rows), parts, LEAVE_ONE_OUT)}
    assert found["tied_test_transitions"] == 0.5


BASE = log([(u, (u * 3 + n) % 20, n, None) for u in range(12) for n in range(8)])
LATE = log(
    [(u, (u * 3 + n) % 20, n, None) for u in range(12) for n in range(9)] + [(u, 25, 1, None) for u in range(12)]
)


def changed(name, *columns, **more):
    return lambda parts: parts | {name: parts[name].with_columns(*columns, **more)}


def with_repeats(parts):
    """The training pairs once more: after the cut they occur again, and a set of pairs would not tell."""
    return parts | {"train": parts["train"].with_columns(pl.concat_list("history", "history"))}


def grouped_by_all(parts):
    """The groups as test interactions, too, would make them."""
    whole = (
        parts["test"]
        .filter(pl.col("ranking") == "full")
        .select("user", pl.concat_list("history", "targets").alias("history"))
    )
    return parts | {"groups": groups(parts | {"train": whole})}


def own_items(parts):
    """An item of the user among the negatives."""
    first = (
        of_events(parts["test_candidates"])
        .join(parts["test"], on="event")
        .with_columns(
            events=pl.concat_list("event"),
            items=pl.concat_list(pl.col("items").list.head(4), pl.col("history").list.head(1)),
        )
    )
    return parts | {"test_candidates": first.select(*OWN_CANDIDATES)}


one_more = pl.concat_list("history", pl.lit(1, pl.Int32))
backwards = changed("test", pl.col("history").list.reverse())
LEAKS = [
    ("users_in_several_parts", COLD, lambda p: p | {"train": pl.concat([p["train"], p["test"].select(*TRAIN)])}),
    ("test_pairs_in_train", COLD, lambda p: p | {"train": p["test"].select("user", history="targets")}),
    ("valid_pairs_in_train", COLD, lambda p: p | {"train": p["valid"].select("user", history="targets")}),
    ("test_targets_in_history", SNAPSHOT, changed("test", pl.concat_list("history", "targets").alias("history"))),
    ("valid_targets_in_history", SNAPSHOT, changed("valid", pl.concat_list("history", "targets").alias("history"))),
    ("test_pairs_in_train", SNAPSHOT, lambda p: p | {"train": p["test"].select("user", history="targets")}),
    ("zero_shot_candidates_in_train", SNAPSHOT, changed("candidates", ranking=pl.lit("zero_shot"))),
    ("train_pairs_after_cut", SNAPSHOT, changed("train", history=pl.lit([1, 2, 3], dtype=pl.List(pl.Int32)))),
    ("train_pairs_after_cut", SNAPSHOT, with_repeats),
    ("train_pairs_after_cut", GLOBAL, changed("train", one_more)),
    ("test_history_after_cut", SNAPSHOT, changed("test", pl.concat_list("history", "targets").alias("history"))),
    ("test_history_after_cut", GLOBAL, changed("test", one_more)),
    ("interactions_used_twice", LEAVE_ONE_OUT, changed("train", one_more)),
    ("interactions_used_twice", LONG_TAIL, changed("train", one_more)),
    ("events_out_of_order", LEAVE_ONE_OUT, backwards),
    ("events_out_of_order", LONG_TAIL, backwards),
    ("events_out_of_order", GLOBAL, backwards),
    ("events_out_of_order", COLD, changed("valid", pl.concat_list("history", "targets").alias("history"))),
    ("events_that_profiles_outrun", COLD, changed("histories", one_more)),
    ("events_that_profiles_outrun", LEAVE_ONE_OUT, lambda p: p | {"histories": p["test"].select("user", history="targets")}),
    ("events_that_profiles_outrun", COLD | {"cold_k": [0, 2]}, lambda p: p | {"histories": p["test"].tail(2).select(*TRAIN)}),
    ("groups_not_from_train", LEAVE_ONE_OUT, grouped_by_all),
    ("groups_not_from_train", LONG_TAIL, grouped_by_all),
    ("negatives_of_the_user", LONG_TAIL, own_items),
    ("events_with_other_numbers_of_negatives", LONG_TAIL, changed("test_candidates", pl.col("items").list.head(4))),
]  # fmt: skip


@pytest.mark.parametrize("check, protocol, plant", LEAKS, ids=[f"{c}-{p['kind']}" for c, p, _ in LEAKS])
def test_planted_leaks_are_found(check, protocol, plant):
    interactions = LATE if protocol is GLOBAL else BASE
    parts = split(interactions, protocol)
    clean, leaky = (
        {c["check"]: c["verdict"] for c in check_split(interactions, p, protocol)} for p in (parts, plant(parts))
    )
    assert clean[check] == "ok" and "leak" not in clean.values()
    assert leaky[check] == "leak"


def test_what_cannot_be_a_leak_by_itself_is_counted():
    rows = [(u, i, n, None) for u in range(2) for n, i in enumerate((1, 2, 3, 4))] + [
        (2, i, n, None) for n, i in enumerate((1, 2, 8, 9))
    ]
    parts = split(log(rows), LEAVE_ONE_OUT)
    found = {c["check"]: c["value"] for c in check_split(log(rows), parts, LEAVE_ONE_OUT)}
    # users 0 and 1 are twins and 2 has half of its items with them; a user's own training items are no duplicate
    assert found["near_duplicate_test_sequences"] == 3 and found["identical_test_sequences"] == 0
    assert found["items_in_train_and_test"] == 0 and found["test_pairs_of_items_unseen_in_train"] == 3
    assert found["users_in_several_parts"] == 3 and found["groups_fitted_on_interactions"] == 6


def test_a_share_as_a_cut_is_the_first_day_that_leaves_it_before():
    frame = log([(u, n, n, None) for u in range(4) for n in range(10)])  # days 0 to 9, 4 a day
    assert dated({"kind": "snapshot", "cut": 0.75}, frame)["cut"] == "1970-01-09"
    assert dated({"kind": "global_temporal", "cuts": [0.5, 0.8]}, frame)["cuts"] == ["1970-01-06", "1970-01-09"]
    settings = GLOBAL | {"cuts": ["1970-01-03"]}
    assert dated(settings, frame) == settings
    assert dated(LEAVE_ONE_OUT, frame) == LEAVE_ONE_OUT


@pytest.mark.parametrize(
    "cuts, said",
    [
        (["1970-01-01"], "the cut 1970-01-01 lies outside the interactions, which are of 1970-01-01 to 1970-01-10"),
        (["1970-01-05", "2020-01-01"], "the cut 2020-01-01 lies outside"),
        ([0.99], "the cut 0.99 lies outside"),
        ([0.48, 0.5, 0.8], "two of the cuts .* fall on 1970-01-06; drop one"),
    ],
)
def test_a_cut_that_parts_nothing_is_refused(cuts, said):
    frame = log([(u, n, n, None) for u in range(4) for n in range(10)])
    with pytest.raises(InputError, match=said):
        dated(GLOBAL | {"cuts": cuts}, frame)
