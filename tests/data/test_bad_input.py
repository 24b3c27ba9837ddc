"""Every reader on damaged files: an InputError that names the file, or a counted skip; no line vanishes unsaid."""

import gzip
import json
import re
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy import sparse

from ptebench.files import InputError
from tests.data.readers import DEFAULTS, put, read

ANY = 10**9
PACKED = gzip.compress(b"")[:2]
USERS, ITEMS = ["A39HTATAQ9V7YF", "A3JM6GV9MNOF9X"], ["0205616461", "0558925278", "B00000JBLH"]
PAIRS = [(u, i, 1252800000 + 86400 * n) for n, (u, i) in enumerate((u, i) for u in USERS for i in ITEMS)]


def rows(make, cells=PAIRS, header=()):
    return [*header, *(make(*cell) for cell in cells)]


def dumped(make):
    return lambda *cell: json.dumps(make(*cell))


def early_review(u, i, t):
    return {"overall": 5.0, "reviewerID": u, "asin": i, "reviewText": 'Fine "indeed"', "unixReviewTime": t}


def review_2023(u, i, t):
    return {"rating": 5.0, "parent_asin": i, "asin": i, "user_id": u, "timestamp": t * 1000, "text": "Fine"}


def item_2014(i):
    return repr(
        {"asin": i, "title": 'One\'s "A"', "price": 9.5, "categories": [["Toys", "Games"]], "description": "It"}
    )


def item_2018(i):
    return {"asin": i, "title": "One", "price": "$9.50", "category": ["Toys"], "description": ["It"], "feature": ["x"]}


def item_2023(i):
    return {"parent_asin": i, "title": "One", "price": 9.5, "categories": ["Toys"], "description": [], "features": []}


def yelp_review(u, i, t):
    date = str(np.datetime64(t, "s")).replace("T", " ")
    return {"review_id": "R", "user_id": u, "business_id": i, "stars": 5.0, "text": "It", "date": date}


def business(i):
    return {"business_id": i, "name": "Deli", "city": "Ames", "state": "IA", "categories": "Food, Delis", "stars": 4.5}


def each(make):
    return [make(i) for i in ITEMS]


IMPRESSION = "11/12/2019 2:14:46 PM"
# of each source: its settings, the file that is damaged, how many lines it has beside its records, and all files
CASES = {
    "amazon 2014": ({"release": "2014"}, 0, {"reviews": ("r.json", rows(dumped(early_review)))}),
    "amazon 2018": ({"release": "2018"}, 0, {"reviews": ("r.json.gz", rows(dumped(early_review)))}),
    "amazon 2023": ({"release": "2023"}, 0, {"reviews": ("r.jsonl.gz", rows(dumped(review_2023)))}),
    "amazon 2014 items": (
        {"release": "2014"},
        0,
        {"metadata": ("m.json.gz", each(item_2014)), "reviews": ("r.json", rows(dumped(early_review)))},
    ),
    "amazon 2018 items": (
        {"release": "2018"},
        0,
        {"metadata": ("m.json", each(dumped(item_2018))), "reviews": ("r.json", rows(dumped(early_review)))},
    ),
    "amazon 2023 items": (
        {"release": "2023"},
        0,
        {"metadata": ("m.jsonl", each(dumped(item_2023))), "reviews": ("r.json", rows(dumped(review_2023)))},
    ),
    "amazon ratings 2014": ({"release": "2014"}, 0, {"ratings": ("r.csv", rows("{},{},5.0,{}".format))}),
    "amazon ratings 2018": ({"release": "2018"}, 0, {"ratings": ("r.csv", rows("{1},{0},5.0,{2}".format))}),
    "amazon ratings 2023": (
        {"release": "2023"},
        1,
        {"ratings": ("r.csv", rows("{},{},5.0,{}000".format, header=["user_id,parent_asin,rating,timestamp"]))},
    ),
    "yelp": (
        {},
        0,
        {"reviews": ("r.json", rows(dumped(yelp_review))), "businesses": ("b.json", each(dumped(business)))},
    ),
    "yelp items": (
        {},
        0,
        {"businesses": ("b.json", each(dumped(business))), "reviews": ("r.json", rows(dumped(yelp_review)))},
    ),
    "recbole": (
        {"columns": {}, "seq_separator": " "},
        1,
        {
            "inter": (
                "x.inter",
                rows("{}\t{}\t5.0\t{}".format, header=["user_id:token\titem_id:token\trating:float\ttimestamp:float"]),
            )
        },
    ),
    "recbole items": (
        {"columns": {}, "seq_separator": " "},
        1,
        {
            "item": ("x.item", ["item_id:token\ttitle:token_seq\tstars:float", *each("{}\tOne two\t4.5".format)]),
            "inter": ("x.inter", rows("{}\t{}".format, header=["user_id:token\titem_id:token"])),
        },
    ),
    "netflix": (
        {},
        3,
        {
            "ratings": (
                "c.txt.gz",
                [line for n in (1, 2, 3) for line in (f"{n}:", "1488844,3,2005-09-06", "822109,5,2005-05-13")],
            ),
            "titles": ("t.csv", ["1,2003,Dinosaur Planet", "2,NULL,Am, Yes", "3,1999,Three"]),
        },
    ),
    "netflix probe": (
        {},
        3,
        {
            "probe": ("probe.txt", [line for n in (1, 2, 3) for line in (f"{n}:", "1488844", "822109")]),
            "ratings": (
                "c.txt",
                [line for n in (1, 2, 3) for line in (f"{n}:", "1488844,3,2005-09-06", "822109,5,2005-05-13", "9,1,2005-05-13")],
            ),
            "titles": ("t.csv", ["1,2003,Dinosaur Planet"]),
        },
    ),
    "netflix qualifying": (
        {},
        3,
        {
            "qualifying": ("q.txt.gz", [line for n in (1, 2, 3) for line in (f"{n}:", "1488844,2005-09-06", "9,2005-05-13")]),
            "ratings": ("c.txt", ["1:", "7,3,2005-09-06"]),
            "titles": ("t.csv", ["1,2003,Dinosaur Planet"]),
        },
    ),
    "netflix items": (
        {},
        0,
        {
            "titles": ("t.csv", ["1,2003,Dinosaur Planet", "2,NULL,Am, Yes", "3,1999,Three"]),
            "ratings": ("c.txt", ["1:", "1488844,3,2005-09-06"]),
        },
    ),
    "mind": (
        {"history": False},
        0,
        {
            "behaviors": ("b.tsv", [f"{n}\tU{n}\t{IMPRESSION}\tN5 N2\tN1-0 N3-1 N4-0" for n in range(5)]),
            "news": ("n.tsv", ["N3\tsports\tsoccer\tA goal\tIt was.\thttps://x\t[]\t[]"]),
        },
    ),
    "mind items": (
        {"history": True},
        0,
        {
            "news": ("n.tsv.gz", [f"N{n}\tsports\tsoccer\tA goal\tIt was.\thttps://x\t[]\t[]" for n in range(4)]),
            "behaviors": ("b.tsv", [f"1\tU1\t{IMPRESSION}\tN5 N2\tN1-0 N3-1"]),
        },
    ),
    "sequences": ({"user_column": True}, 1, {"sequences": ("s.tsv", ["user_id\titem_ids", "u1\t5", "u2\t7", "u3\t9"])}),
    "sequences items": (
        {"user_column": True},
        0,
        {
            "items": ("i.jsonl", [json.dumps({"item_id": n, "title": "One", "categories": ["a"]}) for n in range(4)]),
            "sequences": ("s.txt", ["u 1 2"]),
        },
    ),
    "reclm items": (
        {},
        0,
        {
            "items": (
                "i.jsonl.gz",
                [json.dumps({"item_id": n, "title": "One", "train_col": n, "test_col": n}) for n in range(3)],
            )
        },
    ),
    "table": (
        {"columns": {"user_id": "u", "item_id": "i", "rating": "r", "timestamp": "t"}},
        1,
        {"interactions": ("t.csv", rows("{},{},5.0,{}".format, header=["u,i,r,t"]))},
    ),
    "table of JSON": (
        {"columns": {"user_id": "u", "item_id": "i", "rating": "r", "timestamp": "t"}},
        0,
        {"interactions": ("t.jsonl", rows(dumped(lambda u, i, t: {"u": u, "i": i, "r": 5.0, "t": t, "x": [1]})))},
    ),
    "table items": (
        {"columns": {"user_id": "u", "item_id": "i"}, "item_columns": {"title": "name"}},
        1,
        {
            "items": ("i.csv.gz", ["item_id,name,categories", *each('{},"A, ""b""",x|y'.format)]),
            "interactions": ("t.csv", rows("{},{}".format, header=["u,i"])),
        },
    ),
}  # fmt: skip

NUMBERS = [b"NaN", b"-5", b"4102444800", b'"5.0"', b"1e999", b"null", b"true", b"", b"99999999999999999999", b"5.5"]
LINE = {
    "cut": lambda line, k, _: line[: k % (len(line) + 1)],
    "headless": lambda line, k, _: line[k % (len(line) + 1) :],
    "insert": lambda line, k, text: line[: k % (len(line) + 1)] + text + line[k % (len(line) + 1) :],
    "latin-1": lambda line, k, _: line[: k % (len(line) + 1)] + b"\xe9" + line[k % (len(line) + 1) :],
    "number": lambda line, k, _: re.sub(rb"\b\d+(\.\d+)?\b", NUMBERS[k % len(NUMBERS)], line),
    "one number": lambda line, k, _: re.sub(rb"\b\d+(\.\d+)?\b(?=[^0-9]*$)", NUMBERS[k % len(NUMBERS)], line),
    "empty text": lambda line, _, __: re.sub(rb'"[^"]*"', b'""', line),
    "twice": lambda line, _, __: line + b"\n" + line,
    "carriage return": lambda line, _, __: line + b"\r",
    "fewer fields": lambda line, k, _: re.sub(rb"[,\t] ?[^,\t]*", b"", line, count=1 + k % 3),
    "long": lambda line, k, _: line + b"x" * 300_000,
    "replaced": lambda _, __, text: text,
}
FILE = {
    "mark": lambda data, _: b"\xef\xbb\xbf" + data,
    "carriage returns": lambda data, _: data.replace(b"\n", b"\r\n"),
    "no last newline": lambda data, _: data.rstrip(b"\n"),
    "blank lines": lambda data, _: b"\n" + data.replace(b"\n", b"\n \n"),
    "cut": lambda data, k: data[: k % (len(data) + 1)],
    "other bytes": lambda data, k: data[: k % (len(data) + 1)] + bytes([k % 256]) + data[k % (len(data) + 1) :],
}
# no control characters that count as white space here and not there
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\t",:{}[]\\\0'), max_size=30)
DAMAGE = st.one_of(
    st.tuples(st.just("line"), st.sampled_from(sorted(LINE)), st.integers(0, 10**4), TEXT.map(str.encode)),
    st.tuples(st.just("file"), st.sampled_from(sorted(FILE)), st.integers(0, 10**4), st.just(b"")),
)


def damaged(data: bytes, damage) -> bytes:
    where, name, place, text = damage
    if where == "file":
        return FILE[name](data, place)
    lines = data.split(b"\n")
    number = place % (len(lines) - 1)
    return b"\n".join([*lines[:number], LINE[name](lines[number], place // 7, text), *lines[number + 1 :]])


def try_to_read(case, folder, data, limit):
    """Return (interactions, items, malformed lines), or the InputError; any other error is a fault of the reader."""
    asked, _, files = CASES[case]
    paths = {}
    for number, (name, (file, lines)) in enumerate(files.items()):
        content = data if number == 0 else "".join(f"{line}\n" for line in lines).encode()
        paths[name] = [put(folder / file, content)]
        if content.startswith(PACKED):
            paths[name][0].write_bytes(content)
    if case.startswith("reclm"):
        for part in ("train", "test"):
            sparse.save_npz(folder / f"{part}.npz", sparse.csr_matrix(np.eye(3, dtype=np.float32)))
            paths[part] = [folder / f"{part}.npz"]
    reader = import_module(f"ptebench.data.sources.{case.split()[0]}")
    try:
        raw = reader.read(paths, DEFAULTS | asked | {"max_bad_rows": limit})
    except InputError as error:
        return error
    return pl.concat(raw.interactions).collect(), raw.items, raw.counts["malformed_lines"]


def whole(case) -> bytes:
    return "".join(f"{line}\n" for line in next(iter(CASES[case][2].values()))[1]).encode()


def records(case, data: bytes) -> int:
    """Return how many lines of a file hold records, malformed or not."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("iso-8859-1" if case == "netflix items" else "utf-8")
    beside = CASES[case][1]
    if case in ("netflix", "netflix probe", "netflix qualifying"):
        beside = len(re.findall(r"(?m)^\s*\d+:\s*$", text))
    if case == "sequences":
        beside = text.strip().startswith("user_id")
    return sum(line.strip() != "" for line in text.split("\n")) - beside


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(damage=DAMAGE)
@example(("file", "mark", 0, b""))
@example(("file", "carriage returns", 0, b""))
@example(("line", "latin-1", 11, b""))
@example(("line", "long", 11, b""))
def test_damage(case, damage):
    data = damaged(whole(case), damage)
    name = next(iter(CASES[case][2].values()))[0]
    with tempfile.TemporaryDirectory() as folder:
        lenient = try_to_read(case, Path(folder), data, ANY)
        strict = try_to_read(case, Path(folder), data, 0)
    if isinstance(lenient, InputError):
        assert name in str(lenient) and isinstance(strict, InputError)
        return
    interactions, items, malformed = lenient
    found = (items if case.endswith("items") else interactions).height
    if case == "netflix probe":
        found = interactions.filter(pl.col("part") == "test").height
    if case == "netflix qualifying":
        found = interactions.filter(pl.col("rating").is_null()).height
    # an impression may have no click, and a record with quotes go over several lines
    if case != "mind" and not (name.startswith(("t.csv", "i.csv")) and b'"' in data):
        assert found + malformed == records(case, data)
    if malformed:
        assert re.search(rf"{name}: line \d+: expected .*max_bad_rows \(now 0\)", str(strict))
    else:
        assert strict[2] == 0 and strict[0].equals(interactions) and strict[1].equals(items)


@pytest.mark.parametrize("case", CASES)
def test_a_line_of_ten_megabytes(case, tmp_path):
    """Longer than a block: whole in memory, and one malformed line, not several."""
    data = whole(case)
    found = try_to_read(case, tmp_path, data + b'{"' + b"x" * 10_000_000 + b"\n", ANY)
    if isinstance(found, InputError):
        assert next(iter(CASES[case][2].values()))[0] in str(found)
    else:
        assert found[2] == 1
        assert found[0].equals(try_to_read(case, tmp_path, data, ANY)[0])


@pytest.mark.parametrize("case", CASES)
def test_a_truncated_gzip_file(case, tmp_path):
    file = next(iter(CASES[case][2].values()))[0]
    # a name without .gz is packed all the same: what a file is shows in its first bytes
    error = try_to_read(case, tmp_path, gzip.compress(whole(case))[:-12], ANY)
    assert isinstance(error, InputError) and f"{file}: not a whole gzip file" in str(error)


def test_records_of_csv_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("ptebench.raw.lines.BLOCK", 64)
    settings = {"columns": {"user_id": "u", "item_id": "i"}, "item_columns": {"title": "name"}}
    paths = {
        "interactions": put(tmp_path / "t.csv", "u,i\n" + "".join(f"u,{n}\n" for n in range(30))),
        "items": put(tmp_path / "i.csv", "item_id,name\n" + "".join(f'{n},"One\nand ""two"""\n' for n in range(30))),
    }
    assert set(read("table", paths, **settings)[1]["title"]) == {'One and "two"'}
    # a quote that nothing closes takes its line along, not the file
    text = 'item_id,name\n0,One\n1,"Two\n' + "".join(f"{n},Three\n" for n in range(2, 30))
    put(paths["items"], text)
    with pytest.raises(InputError, match=r"i\.csv: line 3: expected a closing quote"):
        read("table", paths, **settings)
    _, items, counts = read("table", paths, max_bad_rows=1, **settings)
    assert (items["title"].is_not_null().sum(), counts["malformed_lines"]) == (29, 1)
