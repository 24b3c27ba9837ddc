"""Splits as other code reads them: CSV from which the split can be made again, RecBole's files of pairs and histories."""

import io
from importlib import import_module

import polars as pl
import pytest

from ptebench.data.exports import LENGTH, Names, features, general, plain, sequential
from ptebench.data.filters import sort_events
from ptebench.data.splits import complete
from ptebench.files import INTERACTIONS, ITEMS, VOCABULARY, InputError
from tests.data.test_protocols import COLD, LEAVE_ONE_OUT, SNAPSHOT

DAY = 86400


@pytest.fixture(params=[LEAVE_ONE_OUT, COLD, SNAPSHOT], ids=lambda settings: settings["kind"])
def parts(request):
    """Return the frames of a split of 12 users, the longest of whose histories has 70 items."""
    rows = [
        (f"u{u}", f"i{(u * 7 + k * k) % 90}", (k * 20 // (70 if u == 3 else 8)) * DAY, 1.0, u * 100 + k, "all")
        for u in range(12)
        for k in range(70 if u == 3 else 8)
    ]
    interactions = sort_events(pl.DataFrame(rows, schema=INTERACTIONS, orient="row"), "file", 0)
    module = import_module(f"ptebench.data.protocols.{request.param['kind']}")
    return complete(module.split(interactions, request.param))


@pytest.fixture
def names(parts):
    return Names(parts["vocabulary"])


def lists(frame, owner, names):
    return {
        key: names.of("item", row).to_list()
        for key, row in frame.select(owner, "history").iter_rows()
        for row in [pl.Series(row, dtype=pl.Int32)]
        if len(row)
    }


def test_the_split_can_be_read_back_from_the_csv(parts, names):
    tables = plain(parts, names)
    for part in ("train", "histories"):
        rows = tables[part].sort("user_id", "position").group_by("user_id").agg("item_id")
        expected = {names.raw["user"][user]: items for user, items in lists(parts[part], "user", names).items()}
        assert dict(rows.iter_rows()) == expected
    for part in ("valid", "test"):
        histories = tables[f"{part}_histories"].group_by("event", maintain_order=True).agg("item_id")
        assert dict(histories.iter_rows()) == lists(parts[part], "event", names)
        assert tables[part].height == parts[part]["targets"].list.len().sum()
        first = parts[part].row(0, named=True)
        raw = [names.raw["item"][item] for item in first["targets"]]
        rows = tables[part].filter(event=first["event"])
        assert rows["item_id"].to_list() == raw and set(rows["user_id"]) == {names.raw["user"][first["user"]]}
    pool, own = tables["test_candidates"], parts["test_candidates"]
    assert dict(pool.group_by("ranking").len().iter_rows()) == dict(own.group_by("ranking").len().iter_rows())


def test_recboles_files_of_pairs_have_the_training_events_and_every_target_once(parts, names):
    train = general("train", parts["train"], names)
    assert train.columns == ["user_id:token", "item_id:token", "timestamp:float"]
    assert train.height == parts["train"]["history"].list.len().sum()
    for part in ("valid", "test"):
        pairs = parts[part].select("user", "targets").explode("targets").unique()
        assert general(part, parts[part], names).height == pairs.height


def test_recboles_files_of_histories_have_every_beginning_of_a_training_history_and_nothing_later(parts, names):
    train = pl.concat(sequential("train", parts["train"], names))
    histories = {names.raw["user"][u]: row for u, row in lists(parts["train"], "user", names).items()}
    assert train.height == sum(len(row) - 1 for row in histories.values())
    for user, history, item in train.iter_rows():
        words, whole = history.split(" "), histories[user]
        at = [k for k in range(1, len(whole)) if whole[k] == item and whole[max(k - LENGTH, 0) : k] == words]
        assert at and len(words) <= LENGTH
    test = pl.concat(sequential("test", parts["test"], names))
    shown = {tuple(row[-LENGTH:]) for row in lists(parts["test"], "event", names).values()}
    assert {tuple(text.split(" ")) for text in test["item_id_list:token_seq"]} == shown
    assert set(test["item_id:token"]) <= set(plain(parts, names)["test"]["item_id"])


def test_texts_of_items_hold_no_tab_quote_or_line_break(names):
    row = ("i1", 'A "big"\tlamp\nof brass', ["Home & Garden", "Lamps"], None, "x", "x")
    frame = features(pl.DataFrame([row, ("strange", "t", [], None, None, "x")], schema=ITEMS, orient="row"), names)
    assert frame.rows() == [("i1", "A big lamp of brass", "Home_&_Garden Lamps", "")]
    text = io.BytesIO()
    frame.write_csv(text, separator="\t", quote_style="never")
    assert text.getvalue().count(b"\n") == 2


def test_ids_that_recboles_files_cannot_hold_are_refused():
    words = pl.DataFrame([("user", 1, "u"), ("item", 1, "a song")], schema=VOCABULARY, orient="row")
    with pytest.raises(InputError, match="the item 'a song' has a blank or a quote in its id"):
        Names(words).refuse_blanks()
