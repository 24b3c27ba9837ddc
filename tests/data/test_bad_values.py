"""Every reader on one odd value at a time: refused with file and line, or read as what it says."""

import re

import pytest

from ptebench.files import InputError
from tests.data.test_bad_input import ANY, CASES, try_to_read, whole

# of each reader of interactions: one record's rating, and its time, as they stand in the file
RATING = {
    "amazon 2014": '"overall": 5.0', "amazon 2018": '"overall": 5.0', "amazon 2023": '"rating": 5.0', "yelp": '"stars": 5.0',
    "amazon ratings 2014": ",5.0,", "amazon ratings 2018": ",5.0,", "amazon ratings 2023": ",5.0,", "recbole": "\t5.0\t",
    "table": ",5.0,", "table of JSON": '"r": 5.0', "netflix": ",3,",
}  # fmt: skip
TIME = {
    "amazon 2014": "1252800000", "amazon 2018": "1252800000", "amazon 2023": "1252800000000",
    "amazon ratings 2014": "1252800000", "amazon ratings 2018": "1252800000", "amazon ratings 2023": "1252800000000",
    "recbole": "1252800000", "table": "1252800000", "table of JSON": "1252800000",
}  # fmt: skip
DATE = {"yelp": "2009-09-13 00:00:00", "netflix": "2005-09-06", "mind": "11/12/2019 2:14:46 PM"}


def changed(case, old, new):
    data = whole(case)
    assert old.encode() in data
    return data.replace(old.encode(), new.encode(), 1)


def refused(case, folder, data, line=True):
    """Check that a strict reading names the file and the line, and that a lenient one counts one line."""
    file = next(iter(CASES[case][2].values()))[0]
    error = try_to_read(case, folder, data, 0)
    assert isinstance(error, InputError) and re.search(rf"{file}: line \d+: expected" if line else file, str(error))
    interactions, _, malformed = try_to_read(case, folder, data, ANY)
    assert malformed == 1
    return interactions


@pytest.mark.parametrize("value", ["NaN", "Infinity", "x", ""])
@pytest.mark.parametrize("case", RATING)
def test_a_rating_that_is_none(case, value, tmp_path):
    text = "NaN" if value == "" and '"' in RATING[case] else value
    refused(case, tmp_path, changed(case, RATING[case], re.sub(r"[35](\.0)?", text, RATING[case])))


@pytest.mark.parametrize("case", ["amazon ratings 2014", "amazon ratings 2023", "recbole", "table"])
def test_a_rating_with_or_without_decimals_is_the_same(case, tmp_path):
    one, two = (
        try_to_read(case, tmp_path, changed(case, RATING[case], RATING[case].replace("5.0", v)), 0)
        for v in ("5.0", "5")
    )
    assert one[0].equals(two[0]) and one[0]["rating"][0] == 5.0


@pytest.mark.parametrize("case", TIME)
def test_a_time_after_2038_is_a_time(case, tmp_path):
    zeros = "000" if TIME[case].endswith("000000") and len(TIME[case]) > 10 else ""
    interactions, _, malformed = try_to_read(case, tmp_path, changed(case, TIME[case], f"4102444800{zeros}"), 0)
    assert malformed == 0 and interactions["timestamp"].max() == 4102444800


@pytest.mark.parametrize("case", [case for case in TIME if case.startswith("amazon")])
def test_a_time_before_1970_is_none_where_the_publisher_was_not_there(case, tmp_path):
    refused(case, tmp_path, changed(case, TIME[case], "-86400"))


@pytest.mark.parametrize("case", ["recbole", "table", "table of JSON"])
def test_a_table_of_ones_own_may_have_one(case, tmp_path):
    interactions, _, malformed = try_to_read(case, tmp_path, changed(case, TIME[case], "-86400"), 0)
    assert malformed == 0 and interactions["timestamp"].min() == -86400


@pytest.mark.parametrize("case", DATE)
def test_a_date_that_is_none(case, tmp_path):
    refused(case, tmp_path, changed(case, DATE[case], re.sub(r"^\d+", "99", DATE[case])))


# a user has one line of sequences, an item of RecLM's one column, the probe names a rating once
ONCE = ("sequences", "reclm items", "netflix probe")


@pytest.mark.parametrize("case", [case for case in CASES if case not in ONCE])
def test_a_record_that_stands_there_twice_is_there_twice(case, tmp_path):
    """Filters decide on repeats (`duplicates`), and the catalogue takes the first row of an item; no reader drops one."""
    lines = whole(case).splitlines(keepends=True)
    once, twice = (try_to_read(case, tmp_path, b"".join(rows), 0) for rows in (lines, [*lines, lines[-1]]))
    place = 1 if case.endswith("items") else 0
    assert twice[place].height == once[place].height + 1 and twice[2] == 0


@pytest.mark.parametrize("case, title", [
    ("amazon 2018 items", '"One"'), ("amazon 2023 items", '"One"'), ("yelp items", '"Deli"'), ("recbole items", "One two"),
    ("mind items", "A goal"), ("sequences items", '"One"'), ("table items", '"A, ""b"""'),
])  # fmt: skip
def test_an_empty_title_is_none(case, title, tmp_path):
    items = try_to_read(case, tmp_path, changed(case, title, '""' if title.startswith('"') else ""), 0)[1]
    assert items["title"].null_count() == 1 and not items["card"].str.contains("Title: ?\\.").any()


HEADERS = {
    "amazon ratings 2023": "parent_asin", "recbole": "item_id:token", "recbole items": "item_id:token", "table": "u,",
    "table items": "name",
}  # fmt: skip
SAID = {"amazon ratings 2023": "expected the header user_id,parent_asin,rating,timestamp"}


@pytest.mark.parametrize("case", HEADERS)
def test_a_column_that_is_missing_is_named(case, tmp_path):
    other = (
        HEADERS[case]
        .replace("item_id", "other")
        .replace("parent_asin", "other")
        .replace("u,", "other,")
        .replace("name", "other")
    )
    error = try_to_read(case, tmp_path, changed(case, HEADERS[case], other), ANY)
    file = next(iter(CASES[case][2].values()))[0]
    assert isinstance(error, InputError) and re.search(
        rf"{file}: .*{SAID.get(case, 'is missing; it has .*other')}", str(error)
    )


FIELDS = {
    "amazon 2014": "reviewerID", "amazon 2018": "asin", "amazon 2023": "user_id", "yelp": "business_id", "amazon 2018 items": "asin",
    "amazon 2023 items": "parent_asin", "yelp items": "business_id", "table of JSON": '"i"',
}  # fmt: skip


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_that_a_record_lacks_makes_it_malformed(case, tmp_path):
    refused(
        case,
        tmp_path,
        changed(case, FIELDS[case], FIELDS[case].replace('"i"', '"ii"') if '"' in FIELDS[case] else "zz"),
    )
