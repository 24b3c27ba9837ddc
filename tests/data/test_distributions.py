import numpy as np
import polars as pl

from ptebench.data.distributions import counts, draw, over_time
from ptebench.data.statistics import _gini
from ptebench.files import INTERACTIONS

DAY = 86400


def log(times):
    rows = [("u" if n % 3 else "v", f"i{n % 4}", t, None, n, None) for n, t in enumerate(times)]
    return pl.DataFrame(rows, schema=INTERACTIONS, orient="row")


def test_counts_and_days_hold_every_interaction():
    frame = log([d * DAY + d for d in range(500)])
    assert counts(frame, "user_id").tolist() == [333, 167]
    edges, events = over_time(frame)
    assert len(events) <= 60 and events.sum() == 500 and len(edges) == len(events) + 1
    assert len(set(np.diff(edges).astype(int))) == 1
    assert over_time(log([5 * DAY]))[1].tolist() == [1]
    assert over_time(log([None, None])) is None


def test_the_drawing_is_the_same_twice(tmp_path):
    for times in ([0, DAY, 9 * DAY], [None, None]):
        for name in "ab":
            draw(log(times), "Toys & Games", tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert b"Toys &amp; Games" in (tmp_path / "a").read_bytes()


def test_gini():
    assert _gini(pl.Series([3, 3, 3])) == 0
    assert _gini(pl.Series([0] * 99 + [7])) == 0.99
    assert _gini(pl.Series([1, 3])) == 0.25
