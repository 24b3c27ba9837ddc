"""The datasets of two snapshots in short, in the columns that papers print."""

import polars as pl

from ptebench.report.statistics import SNAPSHOTS, STATISTICS, markdown, snapshots_markdown

MIND = [57128, 1020, 2386, 89734, 99.934, 2461, 87974, 99.937]


def frame(*rows):
    return pl.DataFrame(rows, schema=STATISTICS, orient="row")


def test_snapshots_stand_in_one_row_each():
    rows = [("mind", name, value, value, "equal") for name, value in zip(SNAPSHOTS, MIND)]
    rows[3] = ("mind", "train_interactions", 89735.0, 89734.0, "differs")
    own = [("own", name, value, None, "no published value") for name, value in zip(SNAPSHOTS, MIND)]
    other = [("toys", "users", 3.0, None, "no published value")]
    text = snapshots_markdown(frame(*rows, *other, *own))
    assert text.splitlines()[-4:-1] == [
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        "| mind | 57,128 ✓ | 1,020 ✓ | 2,386 ✓ | 89,735 (published 89,734) | 99.934 ✓ | 2,461 ✓ | 87,974 ✓ | 99.937 ✓ |",
        "| own | 57,128 | 1,020 | 2,386 | 89,734 | 99.934 | 2,461 | 87,974 | 99.937 |",
    ]
    assert markdown(frame(*rows)).startswith("# Snapshots") and "# Datasets" in markdown(frame(*rows))


def test_without_snapshots_nothing_is_said():
    assert snapshots_markdown(frame(("toys", "users", 3.0, None, "no published value"))) == ""
