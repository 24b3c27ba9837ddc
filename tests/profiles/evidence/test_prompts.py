"""Prompts show what they may, in lines that can be cut from the middle."""

import numpy as np
import polars as pl
import pytest

from ptebench.files import ITEMS, VOCABULARY, InputError
from ptebench.profiles.evidence.cards import Cards, cards_of
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.prompts import (  # fmt: skip
    CONTRACT,
    MARK,
    cold_item_prompt,
    collaborative_prompt,
    evidence_lines,
    evidence_text,
    fit,
    form,
    item_prompt,
    item_prompts,
    sentence_prompt,
    user_prompt,
    user_prompts,
)
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.fields import skeleton
from tests.profiles.synthetic import write_split


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    return read_split(files["train"], files["vocabulary"], files["items"])


def evidence(prompt):
    return [line for line in prompt.split("\n") if line.startswith(MARK)]


def test_newest_items_stand_last_and_carry_audiences(split):
    fields = {"Audience roles": ["camper", "b", "c", "d", "e"], "Audience interests": ["tents", "g", "h", "i", "j"]}
    lines = evidence(user_prompt([1, 2, 3, 4], split.cards, {1: fields, 4: fields}, 3, 2))
    assert [line.split(" | ")[0][2:] for line in lines] == [split.cards.title[i] for i in (2, 3, 4)]
    assert lines[-1].endswith("liked by camper, b, tents, g") and "liked by" not in lines[0]


def test_cut_from_the_middle_never_the_contract(split):
    prompt = user_prompt(list(range(1, 10)), split.cards, {}, 9, 0)
    short = fit(prompt, lambda p: len(p) - 500)
    lines, kept = evidence(prompt), evidence(short)
    assert len(short) <= 500 and kept[0] == lines[0] and kept[-1] == lines[-1] and 1 < len(kept) < len(lines)
    assert short.endswith(f"{CONTRACT}\n{skeleton('user')}")
    with pytest.raises(InputError, match="raise 'context'"):
        fit(prompt, lambda p: len(p) - 50)


def test_a_context_without_room_for_any_evidence_is_refused(split):
    prompt = user_prompt([1, 2, 3], split.cards, {}, 3, 0)
    least = len(prompt) - sum(len(line) + 1 for line in evidence(prompt)[1:])
    assert len(evidence(fit(prompt, lambda p: len(p) - least - 60))) >= 1
    with pytest.raises(InputError, match="with the least evidence is .* too long; raise 'context'"):
        fit(prompt, lambda p: len(p) - len(CONTRACT) - len(skeleton("user")) - 70)
    # a card is evidence, with or without readers; a user without text has none to lose
    card = item_prompt(1, split.cards, [{"Roles": ["a", "b", "c"], "Interests": ["d", "e", "f"]}])
    assert evidence(fit(card, lambda p: MARK in p)) == []
    assert "nothing yet" not in fit(user_prompt([], split.cards, {}, 3, 0), lambda p: MARK in p)


def test_no_ids_in_prompts(split):
    text = item_prompt(3, split.cards, [{"Roles": ["a", "b", "c"], "Interests": ["d", "e", "f"]}])
    assert "i002" not in text and "a; b; c; d; e; f" in text


def test_an_item_without_a_row_is_named(split):
    items = pl.DataFrame([("i000", "t", [], None, None, "")], schema=ITEMS, orient="row")
    words = pl.DataFrame([("item", 1, "i000"), ("item", 2, "i001")], schema=VOCABULARY, orient="row")
    with pytest.raises(InputError, match="'i001' of the split has no row"):
        cards_of(items, words)


def test_an_item_without_text_is_shown_by_nothing():
    rows = [("i000", None, None, None, None, ""), ("i001", "Red tent", [], None, None, "Title: Red tent.")]
    items = pl.DataFrame(rows, schema=ITEMS, orient="row")
    words = pl.DataFrame([("item", n, raw) for n, (raw, *_) in enumerate(rows, 1)], schema=VOCABULARY, orient="row")
    cards = cards_of(items, words)
    assert cards.line(1) == "" and cards.line(2) == "red tent"
    assert evidence_text(user_prompt([2, 1], cards, {}, 1, 1)) == "red tent"
    assert evidence_text(user_prompt([1], cards, {}, 3, 3)) == ""
    assert collaborative_prompt([1], cards, {}, 3, 3, [[1], [2, 1]]).split("\n")[1:2] == ["- red tent"]
    assert "\n\n" not in item_prompt(1, cards, []) + cold_item_prompt(1, cards, [])


def test_without_a_title_each_text_stands_once():
    rows = [
        ("i000", None, ["Home", "Garden"], "Acme", "Roses and sheds", "Brand: Acme. Categories: Home, Garden."),
        ("i001", None, ["Home", "Garden"], None, None, "Categories: Home, Garden."),
        ("i002", None, None, "Acme", None, "Brand: Acme."),
        ("i003", "Spade", ["Home"], None, "Digs", "Title: Spade."),
    ]
    items = pl.DataFrame(rows, schema=ITEMS, orient="row")
    words = pl.DataFrame([("item", n, raw) for n, (raw, *_) in enumerate(rows, 1)], schema=VOCABULARY, orient="row")
    cards = cards_of(items, words)
    assert cards.line(1) == "roses and sheds | home > garden | acme"
    assert cards.title[2:] == ["garden", "acme", "spade"] and cards.line(4) == "spade | home | digs"


def test_an_item_without_text_has_no_neighbours_and_is_none():
    vectors = np.array([[0, 0], [0, 0], [1, 0], [1, 1], [0, 0]], dtype=np.float32)
    assert nearest([1, 2, 3], vectors, [2, 3, 4], 2) == {1: [], 2: [3], 3: [2]}


def test_the_text_of_the_evidence_is_without_the_wording():
    audiences = {1: {"Audience roles": ["camper"] * 5, "Audience interests": ["tents"] * 5}}
    cards = Cards(["", "red tent"], [[], ["camping"]], ["", "acme"], ["", "light"])
    assert evidence_text(user_prompt([1], cards, audiences, 3, 3)).split() == (
        "red tent | camping | acme | light | camper, camper, tents, tents".split()
    )
    assert evidence_text(item_prompt(1, cards, [])) == "red tent | camping | acme | light"
    assert evidence_text(user_prompt([], cards, {}, 3, 3)) == ""


def test_a_sentence_is_asked_for_by_the_schema_alone(split):
    spec = {"history": 3, "neighbours": 1}
    for side, plain, asking in (
        ("user", *(user_prompts([1], split.train, split.cards, {}, spec | s) for s in ({}, {"schema": "sentence"}))),
        ("item", *(item_prompts([1], split, {}, {}, set(), np.eye(split.items + 1), spec | {"seed": 0} | s) for s in ({}, {"schema": "sentence"}))),
    ):  # fmt: skip
        assert plain == [form(p, side, {"schema": "phrases"}) for p in plain] and "Sentence" not in plain[0]
        assert asking[0].endswith(skeleton(side, sentence=True)) and "40 words" in asking[0]
        assert evidence_lines(asking[0]) == evidence_lines(plain[0]) and evidence_text(asking[0]) == evidence_text(
            plain[0]
        )
        apart = sentence_prompt(asking[0], "Roles: a", side).split("\n")
        assert apart[:-2] == evidence_lines(plain[0]) and apart[-2] == "Roles: a" and "..." not in apart[-1]
