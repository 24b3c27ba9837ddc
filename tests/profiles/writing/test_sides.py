"""Of whom nothing is known, a typical person's profile is the evidence."""

from collections import Counter

import polars as pl
import pytest

from ptebench.files import TRAIN, read_embeddings, read_table
from ptebench.profiles.evidence.neighbours import typical
from ptebench.profiles.evidence.prompts import in_one_line
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.writing.compose import compose
from ptebench.profiles.writing.sides import everybody
from tests.profiles.synthetic import write_split

SPEC = {"history": 4, "neighbours": 2, "seed": 0}


def fields(user):
    return {"Roles": [f"role {user} {c}" for c in "abc"], "Interests": [f"interest {user} {c}" for c in "abc"]}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    cards = read_embeddings(files["cards"], 25).numpy()
    return read_split(files["train"], files["vocabulary"], files["items"]), read_table(files["histories"], TRAIN), cards


def written(asked, answers):
    def write(ids, prompts):
        asked.update(zip(ids, prompts))
        texts = [answers(u) for u in ids]
        return compose(ids, prompts, texts, "user", [{"tokens": 1}] * len(ids), Counter(), lambda *_: None)

    return write


def test_the_typical_user_is_of_training_and_has_a_profile(split):
    split, _, cards = split
    everyone = dict.fromkeys(split.train)
    first = typical(split, cards, everyone)
    second = typical(split, cards, {u: None for u in everyone if u != first})
    assert second not in (None, first) and typical(split, cards, {}) is None
    assert typical(split, cards, {10_000: None}) is None


def test_strangers_are_described_from_the_typical_profile(split):
    split, histories, cards = split
    asked = {}
    frame, record = everybody(
        "user", split, histories, cards, {}, SPEC, written(asked, lambda u: layout(fields(u), "user"))
    )
    assert (
        frame["id"].to_list() == list(range(1, 49))
        and record["strangers"]["profiles"] == 1
        and record["met"]["parsed"] == 47
    )
    strangers = [u for u, h in histories.iter_rows() if not h]
    prior = typical(split, cards, split.train)
    assert strangers == [48] and in_one_line(fields(prior)) in asked[48] and "nothing yet" not in asked[48]
    assert all("Nothing is known" not in asked[u] for u in asked if u != 48)


def test_without_any_profile_the_prompt_is_the_plain_one(split):
    split, histories, cards = split
    asked = {}
    frame, _ = everybody("user", split, histories, cards, {}, SPEC, written(asked, lambda u: "nonsense"))
    assert "nothing yet" in asked[48] and frame["fields"].null_count() == 48
    known = histories.filter(pl.col("user") < 48)
    frame, record = everybody("user", split, known, cards, {}, SPEC, written({}, lambda u: "nonsense"))
    assert frame["text"][47] == "" and "strangers" not in record


def test_what_the_grammar_made_is_counted_apart_and_what_failed_stays_a_failure():
    texts = [layout(fields(1), "user"), layout(fields(2), "user"), "nothing"]
    made = [{"tokens": 1}, {"tokens": 1, "decoding": "greedy, within the grammar"}, {"tokens": 1}]
    record = compose([1, 2, 3], ["a", "b", "c"], texts, "user", made, Counter(), lambda *_: None)[1]
    counts = {"strict": 1, "within the grammar": 1, "failed: missing heading": 1}
    assert record == {"profiles": 3, "parsed": 1, "tokens": 3, **counts}
    made[2]["decoding"] = made[1]["decoding"]
    again = compose([1, 2, 3], ["a", "b", "c"], texts, "user", made, Counter(), lambda *_: None)[1]
    assert again == record, "an answer cut within the grammar has failed"
