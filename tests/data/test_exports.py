"""Tables as pandas, spreadsheets and exporters write them: read as what they say, or refused in one sentence."""

import datetime as dt
import json
import re
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ptebench.data.filters import collect_items
from ptebench.data.interactions import read_interactions
from ptebench.data.items import read_items
from ptebench.files import InputError
from ptebench.lists import parse_list
from ptebench.raw.lines import Malformed
from tests.data.readers import put, read
from tests.data.test_bad_input import CASES, try_to_read, whole

COLUMNS = {"user_id": "u", "item_id": "i", "rating": "r", "timestamp": "t"}


def items(path):
    return read_items(path, {}, Malformed()).select("item_id", "title", "categories").rows()


def times(path, values):
    frame = pl.DataFrame({"u": "a", "i": [f"x{n}" for n in range(len(values))], "t": values}, strict=False)
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    columns = {name: COLUMNS[name] for name in ("user_id", "item_id", "timestamp")}
    return pl.concat(read_interactions(path, columns, Malformed())).collect()["timestamp"].to_list()


def test_quotes_of_tab_separated_text_are_quotes_where_csv_would_have_them(tmp_path):
    text = 'item_id\ttitle\n1\t"12"" vinyl"\n2\t"One\ntwo"\n3\t"Weird Al" Yankovic\n4\t"open\n5\t12" x\n6\t"a\tb"\n'
    titles = [title for _, title, _ in items(put(tmp_path / "i.tsv", text))]
    assert titles == ['12" vinyl', "One two", '"Weird Al" Yankovic', '"open', '12" x', "a b"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("['Books', 'Fiction']", ["Books", "Fiction"]), ('["Books", null, "It\'s"]', ["Books", "It's"]),
        ("[['Books'], ['Fiction']]", ["Books", "Fiction"]), ("['Books' 'Fiction'\n 'New']", ["Books", "Fiction", "New"]),
        ("[array(['Books'], dtype=object)]", ["Books"]), ("[1, 2]", ["1", "2"]), ("[]", []), ("[REC]", None), ("['a', b]", None),
    ],
)  # fmt: skip
def test_a_list_as_text_is_a_list(text, expected, tmp_path):
    assert parse_list(text) == expected
    frame = pl.DataFrame({"item_id": ["1"], "title": [text], "categories": [text]})
    frame.write_csv(tmp_path / "i.csv")
    title = " ".join(expected) or None if expected is not None else re.sub(r"\s+", " ", text)
    bare = re.findall(r"\w+", text)  # as categories, but not as a title, texts without quotes are a list too
    assert items(tmp_path / "i.csv") == [("1", title, bare if expected is None else expected)]


def test_lists_of_lists_are_flat_and_structs_are_named(tmp_path):
    nested, kinds = (
        [[["Books", "Books"], ["Books", "Fiction"]]],
        (None, pl.List(pl.Array(pl.String, 2)), pl.Array(pl.String, (2, 2))),
    )
    for kind in kinds:
        frame = pl.DataFrame({"item_id": ["1"], "title": ["One"], "categories": pl.Series(nested, dtype=kind)})
        frame.write_parquet(tmp_path / "i.parquet")
        assert items(tmp_path / "i.parquet") == [("1", "One", ["Books", "Fiction"])]
    put(tmp_path / "i.jsonl", [{"item_id": 1, "title": "One", "categories": nested[0]}])
    assert items(tmp_path / "i.jsonl") == [("1", "One", ["Books", "Fiction"])]
    for value in ({"a": 1}, [{"a": 1}]):
        pl.DataFrame({"item_id": ["1"], "title": ["One"], "categories": [value]}).write_parquet(tmp_path / "s.parquet")
        with pytest.raises(InputError, match=r"s\.parquet: column 'categories' holds Struct.*: convert the column"):
            items(tmp_path / "s.parquet")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "null", '"nan"', '"<NA>"', '"None"', '" "'])
def test_a_value_that_says_nothing_is_missing_where_text_is_read_and_ignored_where_none_is(word, tmp_path):
    text = f'{{"item_id": "1", "title": {word}, "price": {word}, "categories": ["a", {word}]}}\n'
    assert items(put(tmp_path / "i.jsonl", text)) == [("1", None, ["a"])]
    put(tmp_path / "j.jsonl", text.replace('"1"', word))
    with pytest.raises(InputError, match=r"j\.jsonl: line 1: expected an id in item_id.*, found"):
        items(tmp_path / "j.jsonl")


UNREAD = {
    "amazon 2014": ("reviewText", "NaN"), "amazon 2018": ("reviewText", "-Infinity"), "amazon 2023": ("text", "NaN"),
    "amazon 2018 items": ("price", "NaN"), "amazon 2023 items": ("price", "Infinity"), "yelp": ("text", "NaN"),
    "yelp items": ("stars", "NaN"), "table of JSON": ("x", "NaN"), "sequences items": ("other", "NaN"),
    "reclm items": ("title", "NaN"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREAD)
def test_nan_in_a_field_of_a_record_leaves_the_record_whole(case, tmp_path):
    field, word = UNREAD[case]
    first, rest = whole(case).decode().split("\n", 1)
    changed = {**json.loads(first), field: "@"}
    data = json.dumps(changed).replace('"@"', word) + "\n" + rest
    interactions, texts, malformed = try_to_read(case, tmp_path, data.encode(), 0)
    plain = try_to_read(case, tmp_path, whole(case), 0)
    assert malformed == 0 and interactions.equals(plain[0]) and texts.height == plain[1].height


def test_nan_in_a_dict_of_python_is_missing(tmp_path):
    data = whole("amazon 2014 items").replace(b"9.5", b"nan", 1).replace(b"9.5", b"-inf", 1)
    _, texts, malformed = try_to_read("amazon 2014 items", tmp_path, data, 0)
    assert malformed == 0 and texts["card"].str.contains("Price").to_list() == [False, False, True]


@pytest.mark.parametrize("name", ["i.csv", "i.jsonl", "i.parquet"])
def test_ids_of_a_column_of_numbers_are_those_of_a_column_of_texts(name, tmp_path):
    frame = pl.DataFrame({"item_id": [1.0, 20.0], "title": ["One", "Two"]})
    frame.write_parquet(tmp_path / name) if name.endswith("parquet") else frame.write_csv(tmp_path / name)
    if name.endswith("jsonl"):
        put(tmp_path / name, frame.to_dicts())
    inter = put(tmp_path / "t.csv", "u,i\n7.0, 1\n7,20 \n")
    read_in, texts, counts = read(
        "table", {"interactions": inter, "items": tmp_path / name}, columns={"user_id": "u", "item_id": "i"}
    )
    assert read_in.select("user_id", "item_id").rows() == [("7", "1"), ("7", "20")]
    assert texts["title"].to_list() == ["One", "Two"] and counts["items_without_card"] == 0


def test_marks_old_line_ends_empty_rows_capitals_and_unnamed_columns(tmp_path):
    text = "\ufeffitem_id,title,,\r1,One,,\r\r,,,\r2,Two,,\r"
    assert items(put(tmp_path / "I.CSV", text)) == [("1", "One", []), ("2", "Two", [])]
    assert items(put(tmp_path / "I.TSV.GZ", text.replace(",", "\t").replace("\r", "\r\n"))) == items(tmp_path / "I.CSV")
    with pytest.raises(InputError, match="two columns are named 'title'"):
        items(put(tmp_path / "i.csv", "item_id,title,title\n1,a,b\n"))


NOON = 1717156800
MOMENTS = {
    "2024-05-31T12:00:00Z": NOON, "2024-05-31 12:00:00+00:00": NOON, "2024-05-31T14:00:00+02:00": NOON,
    "2024-05-31T06:30:00.250-0530": NOON, "2024-05-31 12:00:00.123456": NOON, "2024-05-31 12:00": NOON, "2024/05/31 12:00:00": NOON,
    "2024-05-31 12:00:00 UTC": NOON, "2024-05-31": NOON - 43200, str(NOON): NOON, f"{NOON}.0": NOON,
}  # fmt: skip


def test_times_as_text(tmp_path):
    assert times(tmp_path / "t.csv", list(MOMENTS)) == list(MOMENTS.values())


def test_times_of_parquet(tmp_path):
    noon = dt.datetime(2024, 5, 31, 12)
    zone = dt.timezone(dt.timedelta(hours=2))
    for value in (noon, noon.replace(tzinfo=dt.UTC), noon.replace(hour=14, tzinfo=zone), float(NOON), NOON):
        assert times(tmp_path / "t.parquet", [value]) == [NOON]


@pytest.mark.parametrize(
    "value, message",
    [
        (dt.timedelta(seconds=5), "column 't' holds Duration.*convert the column"),
        (dt.time(12), "column 't' holds Time.*convert the column"), ([1], r"column 't' holds List"), (True, "column 't' holds Boolean"),
        (NOON * 1000, "column 't' holds 1717156800000; .*divide milliseconds by 1000"),
        (20240531, "column 't' holds 20240531; expected seconds since 1970, or days as 2024-05-31"),
        ("1,717,156,800", r"line 1: expected a time, 1717156800 \(.*\) or 2024-05-31T12:00:00Z, as t, found '1,717,156,800'"),
        ("31.05.2024", "line 1: expected a time, .* as t, found '31.05.2024'"), (float("nan"), "line 1: .* as t, found 'NaN'"),
        ("NaT", "line 1: .* as t, found 'NaT'"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_refused_with_column_and_value(value, message, tmp_path):
    with pytest.raises(InputError, match=rf"t\.parquet: {message}"):
        times(tmp_path / "t.parquet", [value])


@pytest.mark.parametrize(
    "line, message",
    [
        ('a,x,"4,5",5', "expected a finite number such as 4.5 .* as r, found '4,5'"), ("nan,x,4,5", "an id.* as u, found 'nan'"),
        ("a,1.23E+11,4,5", "an id .a number with all its digits. as i, found '1.23E\\+11'"), ("a,<NA>,4,5", "as i, found '<NA>'"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_line_column_and_value(line, message, tmp_path):
    path = put(tmp_path / "t.csv", f"u,i,r,t\na,x,4,5\n{line}\n")
    with pytest.raises(InputError, match=rf"t\.csv: line 3: .*{message}"):
        read_interactions(path, COLUMNS, Malformed())


def test_ids_as_lists_are_refused(tmp_path):
    frame = pl.DataFrame({"u": ["a"], "i": [["x"]], "item_id": [["x"]], "title": ["One"]})
    frame.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"t\.parquet: column 'i' holds List\(String\)"):
        read_interactions(tmp_path / "t.parquet", {"user_id": "u", "item_id": "i"}, Malformed())
    with pytest.raises(InputError, match=r"t\.parquet: column 'item_id' holds List\(String\)"):
        items(tmp_path / "t.parquet")


@pytest.mark.parametrize("line", ["u1\t[1, 2]", "u1\t['1', '2']", "u1\t 1.0  2 ", 'u1\t["1","2"]'])
def test_sequences_of_lists_and_numbers(line, tmp_path):
    path = put(tmp_path / "s.tsv", f"user_id\titem_ids\n{line}\n")
    assert read("sequences", {"sequences": path})[0]["item_id"].to_list() == ["1", "2"]
    with pytest.raises(InputError, match=r"s\.tsv: line 2: expected item ids with blanks between"):
        read("sequences", {"sequences": put(path, "user_id\titem_ids\nu1\t1,2\n")})


def test_items_of_which_none_has_a_text_are_refused_with_ids_of_both(tmp_path):
    parts = read_interactions(put(tmp_path / "t.csv", "u,i\na,1\na,2\n"), {"user_id": "u", "item_id": "i"}, Malformed())
    padded = read_items(put(tmp_path / "i.csv", "item_id,title\n001,One\n002,Two\n"), {}, Malformed())
    with pytest.raises(
        InputError, match=r"\(such as '1', '2'\) has a text .*\(such as '001', '002'\); name the column"
    ):
        collect_items(padded, parts)
    bare = read_items(put(tmp_path / "i.csv", "item_id,name\n1,One\n"), {}, Malformed())
    with pytest.raises(InputError, match="name its columns of text in item_columns"):
        collect_items(bare, parts)


@pytest.mark.parametrize(
    "text, categories",
    [
        ("('Books', 'Home, Garden')", ["Books", "Home, Garden"]),
        ("{'Books', 'Fiction'}", ["Books", "Fiction"]),
        ("frozenset({'Books'})", ["Books"]),
        ("set()", []),
        ('c("Books", "It\'s")', ["Books", "It's"]),
        ("character(0)", []),
        ("[Books, 'Home, Garden']", ["Books", "Home, Garden"]),
        ('{"Home & Garden",Books}', ["Home & Garden", "Books"]),
        ("WrappedArray(Books, Fiction)", ["Books", "Fiction"]),
        ("Books (used)", ["Books (used)"]),
    ],
)  # fmt: skip
def test_categories_are_lists_as_python_r_duckdb_postgresql_and_spark_write_them(tmp_path, text, categories):
    quoted = text.replace('"', '""')
    items = read_items(put(tmp_path / "i.csv", f'item_id,title,categories\n1,[Live],"{quoted}"\n'), {}, Malformed())
    assert items["categories"].to_list() == [categories] and items["title"][0] == "[Live]"


@pytest.mark.parametrize("text", ["{'name': 'Comedy'}", "[{'id': 35, 'name': 'Comedy'}]", '[{""id"": 35}]'])
def test_categories_that_are_mappings_are_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"i\.csv: column 'categories' holds .*; expected text or lists of texts"):
        read_items(put(tmp_path / "i.csv", f'item_id,title,categories\n1,One,"{text}"\n'), {}, Malformed())


def test_times_and_ratings_that_are_one_of_few_texts_are_read(tmp_path):
    frame = pl.DataFrame({"u": ["a", "b"], "i": ["1", "2"], "r": ["4.5", "5"], "t": ["2020-01-01", "2020-01-02"]})
    frame.with_columns(pl.all().cast(pl.Categorical)).write_parquet(tmp_path / "x.parquet")
    parts = read_interactions(tmp_path / "x.parquet", COLUMNS, Malformed())
    rows = pl.concat(parts).collect().select("user_id", "item_id", "timestamp", "rating").rows()
    assert rows == [("a", "1", 1577836800, 4.5), ("b", "2", 1577923200, 5.0)]
    frame.with_columns(u=pl.lit(b"\xff")).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: not readable as parquet \(invalid utf8\); fetch it"):
        read_interactions(tmp_path / "x.parquet", COLUMNS, Malformed())


CELL = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(), st.text(max_size=8), st.binary(max_size=3),
    st.dates(), st.datetimes(), st.times(), st.timedeltas(), st.lists(st.text(max_size=3), max_size=3),
    st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2), st.fixed_dictionaries({"a": st.integers(0, 9)}),
    st.sampled_from(["NaN", "1.0", "[1]", "['a'", "2024-05-31T12:00:00+99:99", "1e400", "\ufeff", "1,5", "0000-00-00"]),
)  # fmt: skip


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    row=st.tuples(CELL, CELL, CELL, CELL), form=st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), limit=st.booleans()
)
def test_any_cell_is_read_or_refused_in_a_sentence(row, form, limit):
    names = ("u", "i", "r", "t", "item_id", "title", "brand", "categories")
    record = dict(zip(names, [*row, *row], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{form}"
        if form == "jsonl":
            path.write_text(json.dumps(record, default=str) + "\n", encoding="utf-8", errors="replace")
        elif form == "parquet":
            try:
                pl.DataFrame({name: [value] for name, value in record.items()}).write_parquet(path)
            except (pl.exceptions.PolarsError, OverflowError, ValueError, TypeError):
                return
        else:
            separator = "," if form == "csv" else "\t"
            lines = [separator.join(names), separator.join(str(value) for value in record.values())]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
        for read_it in (
            lambda: read_interactions(path, COLUMNS, Malformed(9 if limit else 0)),
            lambda: read_items(path, {}, Malformed(9 if limit else 0)),
        ):
            try:
                read_it()
            except InputError as error:
                assert str(path) in str(error)


def test_every_source_is_read_as_text_with_marks_and_blank_lines(tmp_path):
    for case in CASES:
        data = b"\xef\xbb\xbf\n" + whole(case).replace(b"\n", b"\r\n\r\n")
        plain, marked = (try_to_read(case, tmp_path, content, 0) for content in (whole(case), data))
        assert not isinstance(marked, InputError), (case, marked)
        assert marked[0].drop("row").sort(pl.all()).equals(plain[0].drop("row").sort(pl.all())) or case == "sequences"
