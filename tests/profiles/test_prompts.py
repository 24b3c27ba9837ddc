"""Prompts show what they may, in lines that can be cut from the middle."""

import polars as pl
import pytest

from ptebench.files import ITEMS, VOCABULARY, InputError
from ptebench.profiles.instructions import read_split
from ptebench.profiles.parse import skeleton
from ptebench.profiles.prompts import CONTRACT, MARK, Cards, cards_of, evidence_text, fit, item_prompt, user_prompt
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


def test_no_ids_in_prompts(split):
    text = item_prompt(3, split.cards, [{"Roles": ["a", "b", "c"], "Interests": ["d", "e", "f"]}])
    assert "i002" not in text and "a; b; c; d; e; f" in text


def test_an_item_without_a_row_is_named(split):
    items = pl.DataFrame([("i000", "t", [], None, None, "")], schema=ITEMS, orient="row")
    words = pl.DataFrame([("item", 1, "i000"), ("item", 2, "i001")], schema=VOCABULARY, orient="row")
    with pytest.raises(InputError, match="'i001' of the split has no row"):
        cards_of(items, words)


def test_empty_cards_make_prompts(split):
    items = pl.DataFrame([("i000", None, None, None, None, "")], schema=ITEMS, orient="row")
    words = pl.DataFrame([("item", 1, "i000")], schema=VOCABULARY, orient="row")
    assert cards_of(items, words).line(1) == "no description"


def test_the_text_of_the_evidence_is_without_the_wording():
    audiences = {1: {"Audience roles": ["camper"] * 5, "Audience interests": ["tents"] * 5}}
    cards = Cards(["", "red tent"], [[], ["camping"]], ["", "acme"], ["", "light"])
    assert evidence_text(user_prompt([1], cards, audiences, 3, 3)).split() == (
        "red tent | camping | acme | light | camper, camper, tents, tents".split()
    )
    assert evidence_text(item_prompt(1, cards, [])) == "red tent | camping | acme | light"
    assert evidence_text(user_prompt([], cards, {}, 3, 3)) == ""
