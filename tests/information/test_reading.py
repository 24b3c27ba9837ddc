"""What the suite reads of a split."""

import polars as pl
import pytest

from ptebench.files import EVENTS, ITEMS, TRAIN, VOCABULARY, write_table
from ptebench.information.reading import read_categories, read_events, read_training


def test_an_event_of_two_targets_is_two_and_other_rankings_are_left_aside(tmp_path):
    rows = [(0, "full", 5, [1, 2], [3, 4]), (1, "full", 6, [], [2]), (0, "zero_shot", 5, [1, 2], [4])]
    write_table(pl.DataFrame(rows, schema=EVENTS, orient="row"), tmp_path / "test.parquet", EVENTS)
    events = read_events(tmp_path / "test.parquet")
    assert events.users.tolist() == [5, 5, 6] and events.targets.tolist() == [3, 4, 2]
    assert events.values.tolist() == [1, 2, 1, 2] and events.offsets.tolist() == [0, 2, 4, 4]
    weights = events.weights(0.5, 4).toarray()
    assert weights[0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 0, 0]) and not weights[2].any()


def test_neighbours_in_training_stand_in_one_history(tmp_path):
    rows = [(1, [1, 2, 3]), (2, []), (3, [4]), (4, [2, 1])]
    write_table(pl.DataFrame(rows, schema=TRAIN, orient="row"), tmp_path / "train.parquet", TRAIN)
    counts, partners = read_training(tmp_path / "train.parquet", 5)
    assert counts.tolist() == [0, 2, 2, 1, 1, 0]
    assert partners.T.tolist() == [[1, 2], [2, 3], [2, 1]]


def test_a_category_is_of_the_first_level_that_parts_items(tmp_path):
    rows = [("a", "t", ["toys", "games"], "", "", "c"), ("b", "t", ["toys", "dolls", "small"], "", "", "c"),
            ("c", "t", [], "", "", "c")]  # fmt: skip
    write_table(pl.DataFrame(rows, schema=ITEMS, orient="row"), tmp_path / "items.parquet", ITEMS)
    vocabulary = pl.DataFrame([("item", 1, "b"), ("item", 2, "a"), ("item", 3, "c")], schema=VOCABULARY, orient="row")
    assert read_categories(tmp_path / "items.parquet", vocabulary) == [None, "dolls", "games", None]
    assert read_categories(tmp_path / "items.parquet", vocabulary.filter(pl.col("raw") == "c")) == [None, None]
