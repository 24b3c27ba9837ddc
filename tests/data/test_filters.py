"""Filters, k-core, order of events."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptebench.data import parts
from ptebench.data.filters import apply_core, mix, prepare, sort_events
from ptebench.data.interactions import complete
from ptebench.data.parts import write_parts
from ptebench.files import INTERACTIONS, InputError
from tests.data.readers import DEFAULTS

CORES = ("iterative", "one_pass_compat", "one_pass_users_compat")


def log(rows) -> pl.DataFrame:
    """Return interactions from (user, item, time, rating)."""
    return pl.DataFrame(
        [(u, i, t, r, n, None) for n, (u, i, t, r) in enumerate(rows)], schema=INTERACTIONS, orient="row"
    )


pairs = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=80)


@settings(max_examples=60, deadline=None)
@given(pairs, st.integers(0, 4), st.integers(0, 4))
def test_core_is_the_largest_set_that_keeps_its_promise(rows, user_core, item_core):
    frame = log([(f"u{u}", f"i{i}", 0, None) for u, i in rows])
    kept = {
        tuple(r)
        for r in pl.concat(apply_core([frame.lazy()], user_core, item_core)).select("user_id", "item_id", "row").rows()
    }
    alive = set(frame.select("user_id", "item_id", "row").rows())
    while True:  # one at a time, the plain way
        drop = [
            r for r in alive
            if sum(x[0] == r[0] for x in alive) < user_core or sum(x[1] == r[1] for x in alive) < item_core
        ]  # fmt: skip
        if not drop:
            break
        alive -= set(drop)
    assert kept == alive


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_order_is_by_time_and_independent_of_how_rows_come(rows):
    frame = log([(f"u{u}", f"i{i}", t, None) for u, i, t in rows])
    for tie_break in ("shuffle", "file", "id"):
        result = sort_events(frame, tie_break, 3)
        assert result.equals(sort_events(frame.sample(fraction=1, shuffle=True, seed=1), tie_break, 3))
        for _, user in result.group_by("user_id", maintain_order=True):
            assert user["timestamp"].is_sorted()
    by_file = sort_events(frame, "file", 0)
    assert by_file.select("user_id", "timestamp", "row").equals(
        by_file.select("user_id", "timestamp", "row").sort(pl.all())
    )


def test_shuffle_is_seeded_and_not_the_file_order():
    frame = log([("u", f"i{n:03}", 0, None) for n in range(200)])
    orders = [sort_events(frame, "shuffle", seed)["row"].to_list() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert abs(np.corrcoef(orders[0], range(200))[0, 1]) < 0.2
    # one fixed value: a change of the hash would change every published order
    assert mix(np.array([0, 1]), 0).tolist() == [16294208416658607535, 10451216379200822465]


def test_filters_in_their_order():
    day = 86400
    frame = log([
        ("a", "x", 1 * day, 5.0), ("a", "y", 3 * day - 1, 4.0), ("a", "x", 2 * day, 4.0), ("a", "z", 3 * day, 5.0),
        ("b", "x", 2 * day, 1.0),
    ])  # fmt: skip
    chosen = {"start": "1970-01-02", "end": "1970-01-03", "min_rating": 4.0, "duplicates": "last"}
    kept, notes = prepare([frame.lazy()], DEFAULTS | chosen)
    assert pl.concat(kept).collect()["row"].to_list() == [2, 1]
    assert [notes[f"dropped_by_{n}"] for n in ("start_end", "min_rating", "duplicates")] == [1, 1, 1]
    first = prepare([frame.lazy()], DEFAULTS | {"duplicates": "first"})[0][0].collect()
    assert first["row"].to_list() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    "chosen, name",
    [({"start": "2020-01-01"}, "start, end"), ({"min_rating": 9.0}, "min_rating"), ({"user_core": 3}, "user_core")],
)
def test_nothing_left_names_the_filter(chosen, name):
    with pytest.raises(InputError, match=rf"^datasets\.mine\.{name}.*: no interaction is left"):
        prepare([log([("a", "x", 1, 5.0), ("a", "y", 2, 5.0)]).lazy()], DEFAULTS | chosen, "datasets.mine.")


def test_date_window_needs_times():
    with pytest.raises(InputError, match="without a timestamp"):
        prepare([log([("a", "x", None, None)]).lazy()], DEFAULTS | {"start": "2020-01-01"})


def test_one_pass_counts_once():
    # i2 goes, which leaves a with one, whom a second count of users takes, and then i3 with one, which iteration takes
    frame = log([
        ("a", "i3", 0, None), ("a", "i2", 0, None), ("b", "i1", 0, None), ("b", "i1", 0, None), ("b", "i3", 0, None),
    ])  # fmt: skip
    chosen = DEFAULTS | {"user_core": 2, "item_core": 2}
    kept = {core: prepare([frame.lazy()], chosen | {"core": core})[0][0].collect()["row"].to_list() for core in CORES}
    assert kept == {"iterative": [2, 3], "one_pass_compat": [0, 2, 3, 4], "one_pass_users_compat": [2, 3, 4]}


def test_many_parts_end_as_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    rows = [(f"u{u}", f"i{i}", int(t), float(r)) for u, i, t, r in rng.integers(0, (40, 15, 50, 6), (900, 4))]
    chosen = DEFAULTS | {
        "start": "1970-01-01", "min_rating": 2.0, "duplicates": "last", "user_core": 7, "item_core": 20,
        "tie_break": "shuffle",
    }  # fmt: skip
    frame = log(rows).drop("row", "part")
    found = {}
    for size in (10**6, 100):
        monkeypatch.setattr(parts, "PART", size)
        kept, notes = prepare(complete(frame.iter_slices(70)), chosen)
        paths = [tmp_path / f"{size}-{n}.parquet" for n in range(2)]
        for path in paths:
            write_parts(kept, path, INTERACTIONS)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        found[size] = (len(kept), notes, pl.read_parquet(paths[0]))
    assert found[10**6][0] == 1 and found[100][0] > 2
    assert found[10**6][1] == found[100][1] and found[100][1]["dropped_by_user_core_item_core"] > 0
    assert found[10**6][2].equals(found[100][2])


def test_users_are_drawn_by_seed_after_all_filters():
    frame = log([(f"u{u:02}", f"i{i}", i, None) for u in range(40) for i in range(1 + u % 3)])
    keep = DEFAULTS | {"user_core": 2, "users": 10}

    def users(**changes):
        parts, notes = prepare([frame.lazy()], keep | changes)
        return set(pl.concat(parts).collect()["user_id"]), notes

    drawn, notes = users()
    assert len(drawn) == 10 and all(int(u[1:]) % 3 for u in drawn) and notes["dropped_by_users"] > 0
    assert (notes["users"], notes["users_before_draw"]) == (10, 26)
    assert drawn == users()[0] and drawn != users(tie_seed=1)[0]
    assert len(users(users=1000)[0]) == 26 and not users(users=None)[1]["dropped_by_users"]
    assert users(users=1000)[1]["users"] == users(users=None)[1]["users"] == 26
