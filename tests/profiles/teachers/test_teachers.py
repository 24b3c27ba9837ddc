"""The template teacher reads evidence; supplied profiles are read in the formats that people have."""

import gzip
import io
import json

import numpy as np
import polars as pl
import pytest

from ptebench.files import InputError
from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.fields import FIELDS, PHRASES, layout, strict
from ptebench.profiles.teachers.supplied import supplied
from ptebench.profiles.teachers.template import Template, terms
from tests.profiles.synthetic import TOPICS, write_split

ANSWER = "User identity: Sports fan, Music lover, Cook; User interests: Ball games, Music, Bread."


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    return read_split(files["train"], files["vocabulary"], files["items"])


def test_terms_do_not_cross_marks_and_stop_words():
    assert terms("steel tent, lantern for the trail") == ["steel", "tent", "steel tent", "lantern", "trail"]


def test_profiles_follow_the_evidence_and_the_grammar(split):
    template = Template(split.cards, *split.ragged())
    camping = [i for i in range(1, 22) if "camping" in split.cards.categories[i]]
    (user,) = template.users(np.array(camping), np.array([0, len(camping)]))
    assert "camping fan" in user["Roles"] and set(user["Interests"]) & set(TOPICS["Camping"])
    for side, found in (("user", [user]), ("item", template.items(np.arange(1, 25)))):
        assert all(strict(layout(fields, side), side) for fields in found)
        assert all(len(fields[f]) == PHRASES[side] for fields in found for f in FIELDS[side])


def test_an_empty_history_and_empty_cards_still_have_a_profile(split):
    (nobody,) = Template(split.cards, *split.ragged()).users(np.array([], dtype=int), np.array([0, 0]))
    assert strict(layout(nobody, "user"), "user")
    blank = Cards(["", ""], [[], []], ["", ""], ["", ""])
    (item,) = Template(blank, np.array([1]), np.array([0, 1])).items(np.array([1]))
    assert strict(layout(item, "item"), "item")


def test_fitted_on_training_items_only(split):
    """A word or category of a cold item is unknown to the teacher."""
    seen = split.warm()
    names = Template(split.cards, *split.ragged()).names
    cards = Cards(*(list(column) for column in vars(split.cards).values()))
    cold = max(seen) + 1
    cards.title[cold], cards.categories[cold] = "zeppelin", ["airships"]
    changed = Template(cards, *split.ragged())
    assert changed.names[1] == names[1] and "zeppelin" not in changed.names[1]
    assert all("airships fan" not in fields["Audience roles"] for fields in changed.items(np.array([cold])))


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.csv", "p.csv.gz", "p.tsv", "p.parquet"])
def test_supplied_formats(tmp_path, name):
    rows = [("user", "7", ANSWER), ("user", "8", "."), ("user", "9", ANSWER)]
    if "json" in name:
        data = "\n".join(json.dumps({"user_id": 7 if k == "7" else k, "output": t}) for _, k, t in rows).encode()
    elif "parquet" in name:
        stream = io.BytesIO()
        pl.DataFrame({"user_id": [7, 8, 9], "text": [t for *_, t in rows]}).write_parquet(stream)
        data = stream.getvalue()
    else:
        separator = "\t" if "tsv" in name else ","
        data = pl.DataFrame({"UID": [k for _, k, _ in rows], "Response": [t for *_, t in rows]})
        data = data.write_csv(separator=separator).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    found, counts = supplied(tmp_path / name, {"7": 1, "8": 2}, "user")
    assert found == {1: {"Roles": ["sports fan", "music lover", "cook"], "Interests": ["ball games", "music", "bread"]}}
    assert counts == {"rows": 3, "unknown": 1, "unusable": 1, "used": 1}


@pytest.mark.parametrize(
    "name, data",
    [
        ("p.jsonl", '\ufeff{"id": 7.0, "text": "@"}\n\n{"id": "8 ", "text": NaN}\n'), ("p.CSV", 'user_id,text\r7.0,"@"\r8,nan\r'),
        ("p.tsv", 'UID\tProfile\t\t\n7\t"@"\t\t\n8\t"\n"\t\t\n\t\t\t\n'),
    ],
)  # fmt: skip
def test_supplied_files_as_other_tools_write_them(tmp_path, name, data):
    (tmp_path / name).write_bytes(data.replace("@", ANSWER).encode())
    found, counts = supplied(tmp_path / name, {"7": 1, "8": 2}, "user")
    assert list(found) == [1] and counts == {"rows": 2, "unknown": 0, "unusable": 1, "used": 1}


@pytest.mark.parametrize(
    "name, data, message",
    [
        ("p.jsonl", b'{"user_id": 1}\n', "line 1: expected a key"),
        ("p.jsonl", b"{\n", "line 1"),
        ("p.jsonl.gz", b"no gzip", "line 1: expected a JSON object .*; mend the line$"),
        ("p.parquet", b"no parquet", "not readable as parquet"),
        ("p.zip", b"x", "expected .csv, .tsv"),
        (
            "p.jsonl",
            b'{"user_id": 1, "text": "x"}\n',
            "none of 1 profiles can be used .* such as '7' .the file has '1'",
        ),
        ("p.jsonl", b'{"user_id": 1, "text": {"a": 1}}\n', "line 1: expected a JSON object"),
        ("p.jsonl", b"\xff\n", "line 1: not utf-8 text"),
        ("p.csv", b"id,text\n7,x\n8,x\n7.0,y\n", "'7' stands in line 2 and in line 4; expected one row an owner"),
    ],
)
def test_bad_supplied_files(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message):
        supplied(tmp_path / name, {"7": 1}, "user")


@pytest.mark.parametrize(
    "file, side, share",
    [
        ("reclm-mind/gpt_item_profiles.jsonl.gz", "item", 0.97),
        ("reclm-mind/sft_user_profiles.csv.gz", "user", 0.87),
        ("reclm-netflix/gpt_item_profiles.jsonl.gz", "item", 0.99),
        ("reclm-netflix/sft_user_profiles.csv.gz", "user", 0.99),
    ],
)
def test_reclm_profiles(shared_data, file, side, share):
    found, counts = supplied(shared_data / "processed" / file, {str(i): i + 1 for i in range(60_000)}, side)
    assert counts["used"] == len(found) > share * counts["rows"] and counts["unknown"] == 0
