"""Each reader on tiny files in its publisher's exact schema, and on bad ones."""

import gzip
import json
import pickle
import sys

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from ptebench.data.protocols import snapshot
from ptebench.data.splits import complete
from ptebench.data.unpickle import read_pickle
from ptebench.files import INTERACTIONS, ITEMS, InputError, check
from tests.data.readers import put, read


def review(user, item, time, stars=5.0, **more):
    return {
        "overall": stars, "verified": True, "reviewTime": "09 4, 2015", "reviewerID": user, "asin": item,
        "style": {"Size:": " Big"}, "reviewText": "Fine \u2028 \"indeed\"", "unixReviewTime": time, **more,
    }  # fmt: skip


META = {
    "category": ["Arts, Music &amp; Photography", "Music"], "description": ["For <b>musicians</b>.", ""],
    "title": "Guitar &amp; Bass", "also_buy": ["B2"], "brand": "by\n  String Letter", "feature": ["Loud"],
    "rank": "742 in Magazines (", "details": {"ASIN: ": "B1"}, "price": "$12.99", "asin": "B1",
}  # fmt: skip


def amazon(tmp_path, reviews=None, metadata=None, **settings):
    reviews = reviews or [review("U2", "B1", 20), review("U1", "B2", 30, 2.0), review("U1", "B1", 10)]
    paths = {"reviews": put(tmp_path / "X_5.json.gz", reviews)}
    if metadata is not None:
        paths["metadata"] = put(tmp_path / "meta_X.json.gz", metadata)
    return read("amazon", paths, **settings)


def test_amazon(tmp_path):
    broken = {**META, "asin": "B2", "title": '<span class="a-size-medium"', "price": ".a-box {", "description": []}
    interactions, items, counts = amazon(tmp_path, metadata=[META, META, broken, {**META, "asin": "B9"}])
    check(interactions, INTERACTIONS, "interactions")
    check(items, ITEMS, "items")
    assert interactions.rows() == [
        ("U1", "B1", 10, 5.0, 2, None),
        ("U1", "B2", 30, 2.0, 1, None),
        ("U2", "B1", 20, 5.0, 0, None),
    ]
    assert items["card"].to_list() == [
        "Title: Guitar & Bass. Brand: String Letter. Categories: Arts, Music & Photography, Music. Features: Loud. "
        "Description: For musicians. Price: $12.99.",
        "Brand: String Letter. Categories: Arts, Music & Photography, Music. Features: Loud.",
    ]
    assert items["title"].to_list() == ["Guitar & Bass", None]
    assert counts["unusable_titles"] == counts["texts_of_unknown_items"] == counts["duplicate_item_rows"] == 1


def test_amazon_without_metadata_has_empty_cards(tmp_path):
    _, items, counts = amazon(tmp_path)
    assert items["card"].to_list() == ["", ""]
    assert counts["items_without_card"] == 2


def test_amazon_2014(tmp_path):
    reviews = put(
        tmp_path / "reviews_X_5.json.gz",
        [{"reviewerID": u, "asin": i, "reviewerName": "J. D", "helpful": [0, 1], "reviewText": "Fine", "overall": 4.0,
          "summary": "Ok", "unixReviewTime": t, "reviewTime": "09 13, 2009"}
         for u, i, t in [("A1", "B1", 1252800000), ("A1", "B2", 1252800000), ("A2", "B3", 5)]],
    )  # fmt: skip
    items = [
        {"asin": "B1", "salesRank": {"Musical": 6}, "imUrl": "http://x/y.jpg", "price": 12.5, "brand": "O'Neill",
         "categories": [["Clothing", "Men"], ["Clothing", "Men &amp; Boys"]], "title": 'Tie "A&amp;B"',
         "description": "A <b>tie</b> that's \u2028 fine.\n", "related": {"also_bought": ["B2", "B3"]}},
        {"asin": "B2", "categories": [["Clothing"]], "title": "Say __import__('os')"},
        {"asin": "B9", "categories": [], "price": 999.0},
    ]  # fmt: skip
    # as Python writes a dict: quotes of both kinds, no JSON
    metadata = put(tmp_path / "meta_X.json.gz", "".join(f"{item!r}\n" for item in items))
    interactions, items, counts = read("amazon", {"reviews": reviews, "metadata": metadata}, release="2014")
    check(interactions, INTERACTIONS, "interactions")
    check(items, ITEMS, "items")
    assert interactions.rows()[0] == ("A1", "B1", 1252800000, 4.0, 0, None)
    assert items["card"].to_list() == [
        "Title: Tie \"A&B\". Brand: O'Neill. Categories: Clothing, Men, Men & Boys. Description: A tie that's fine. "
        "Price: $12.50.",
        "Title: Say __import__('os'). Categories: Clothing.",
        "",
    ]
    assert counts["texts_of_unknown_items"] == counts["items_without_card"] == 1


@pytest.mark.parametrize(
    "line", ["{'asin': 'B1'", "{'asin': open('mark', 'w')}", '{"asin": null}', "{'asin': None}", "['B1']", "[" * 9999]
)
def test_amazon_2014_metadata_that_is_no_literal(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    paths = {"reviews": put(tmp_path / "r.json", [review("A1", "B1", 1)]), "metadata": tmp_path / "meta_X.json"}
    put(paths["metadata"], f"{{'asin': 'B1', 'title': 'One'}}\n{line}\n")
    with pytest.raises(InputError, match=r"meta_X\.json: line 2: expected a Python dict with asin, found"):
        read("amazon", paths, release="2014")
    _, items, counts = read("amazon", paths, release="2014", max_bad_rows=1)
    assert items["card"].to_list() == ["Title: One."] and counts["malformed_lines"] == 1
    assert not (tmp_path / "mark").exists()


def review_2023(user, item, time):
    return {
        "rating": 5.0, "title": "Fine", "text": "It <br />is.", "images": [], "asin": f"{item}-BLUE",
        "parent_asin": item, "user_id": user, "timestamp": time, "helpful_vote": 0, "verified_purchase": True,
    }  # fmt: skip


def item_2023(item, **more):
    return {
        "main_category": "All Beauty", "title": "Brush &amp; Comb", "average_rating": 4.8, "rating_number": 10,
        "features": ["Soft", "<i>Light</i>"], "description": ["For hair."], "price": 7.5, "images": [], "videos": [],
        "store": "Howard", "categories": ["All Beauty", "Tools"], "details": {"Brand": "Howard"},
        "parent_asin": item, "bought_together": None, **more,
    }  # fmt: skip


def test_amazon_2023(tmp_path):
    rows = [review_2023("AE2", "B1", 1588687728923), review_2023("AE2", "B2", 1588687728924)]
    bare = item_2023(
        "B2", title="", store=None, categories=[], features=[], description=[], price="from 3.99", main_category=None
    )
    paths = {
        "reviews": put(tmp_path / "X.jsonl.gz", rows),
        "metadata": put(tmp_path / "meta_X.jsonl", [item_2023("B1"), bare, item_2023("B1", title="Again")]),
    }
    interactions, items, counts = read("amazon", paths, release="2023")
    check(interactions, INTERACTIONS, "interactions")
    check(items, ITEMS, "items")
    assert interactions["timestamp"].to_list() == [1588687728] * 2
    assert items["card"].to_list() == [
        "Title: Brush & Comb. Brand: Howard. Categories: All Beauty, Tools. Features: Soft Light. "
        "Description: For hair. Price: $7.50.",
        "",
    ]
    assert counts["unusable_titles"] == counts["duplicate_item_rows"] == 1
    with pytest.raises(InputError, match=r"X\.jsonl\.gz: line 1: expected a JSON object with reviewerID, asin"):
        read("amazon", paths, release="2018")


RATINGS = {
    "2014": "A39HTATAQ9V7YF,0205616461,5.0,1369699200\nA3JM6GV9MNOF9X,0558925278,3.0,1355443200\n",
    "2018": "0205616461,A39HTATAQ9V7YF,5.0,1369699200\n0558925278,A3JM6GV9MNOF9X,3.0,1355443200\n",
    "2023": "user_id,parent_asin,rating,timestamp\r\nA39HTATAQ9V7YF,0205616461,5.0,1369699200123\r\n"
            "A3JM6GV9MNOF9X,0558925278,3.0,1355443200999\r\n",
}  # fmt: skip


@pytest.mark.parametrize("release", RATINGS)
def test_amazon_ratings(tmp_path, release):
    path = put(tmp_path / "ratings.csv.gz", RATINGS[release])
    interactions, items, _ = read("amazon", {"ratings": path}, release=release)
    check(interactions, INTERACTIONS, "interactions")
    assert interactions.rows() == [
        ("A39HTATAQ9V7YF", "0205616461", 1369699200, 5.0, 0, None),
        ("A3JM6GV9MNOF9X", "0558925278", 1355443200, 3.0, 1, None),
    ]
    assert items["card"].to_list() == ["", ""]


@pytest.mark.parametrize("release", RATINGS)
@pytest.mark.parametrize("other", RATINGS)
def test_amazon_ratings_of_another_release(tmp_path, release, other):
    path = put(tmp_path / "ratings.csv", RATINGS[other])
    if release == other:
        assert read("amazon", {"ratings": path}, release=release)[0].height == 2
    else:
        with pytest.raises(InputError, match=r"ratings\.csv: line 1: expected .*release"):
            read("amazon", {"ratings": path}, release=release)


@pytest.mark.parametrize(
    "line", ["A1,B000000001,NaN,1", "A1,B000000001,5,-1", "A1,B000000001,5", "A1,B000000001,5,1,1", ",B000000001,5,1",
             "A1,B000000001,5,1369699200000", "A1,B000000001,,1"]
)  # fmt: skip
def test_amazon_ratings_bad_line(tmp_path, line):
    path = put(tmp_path / "ratings.csv", f"{RATINGS['2014']}{line}\n")
    with pytest.raises(InputError, match=r"ratings\.csv: line 3: expected user_id,item_id,rating,timestamp as in"):
        read("amazon", {"ratings": path}, release="2014")
    assert read("amazon", {"ratings": path}, release="2014", max_bad_rows=1)[2]["malformed_lines"] == 1


def yelp(tmp_path, *more, businesses=None, **settings):
    rows = [
        {"review_id": "R1", "user_id": "U1", "business_id": "P1", "stars": 5.0, "useful": 1, "funny": 0, "cool": 1,
         "text": "Nice\n\nplace", "date": "2012-01-03 15:28:18"},
        {"review_id": "R2", "user_id": "U1", "business_id": "P1", "stars": 1.0, "useful": 0, "funny": 0, "cool": 0,
         "text": "No more", "date": "2012-01-05 00:00:01"},
        {"review_id": "R3", "user_id": "U1", "business_id": "P2", "stars": 3.0, "useful": 0, "funny": 0, "cool": 0,
         "text": "So so", "date": "2012-01-04"},
        *more,
    ]  # fmt: skip
    businesses = businesses or [
        {"business_id": "P1", "name": "Barnes &amp; Noble", "address": "1 X St", "city": "Santa Barbara", "state": "CA",
         "postal_code": "93101", "latitude": 34.4, "longitude": -119.7, "stars": 4.5, "review_count": 987, "is_open": 0,
         "attributes": {"ByAppointmentOnly": "True"}, "categories": "Books, Mags, Music & Video, Shopping",
         "hours": None},
        {"business_id": "P2", "name": "Deli", "city": "", "state": None, "stars": 2.0, "review_count": 654,
         "categories": ["Food", "Delis"]},
        {"business_id": "P3", "name": "Unseen", "categories": None, "stars": 1.0, "review_count": 3},
    ]  # fmt: skip
    paths = {
        "reviews": put(tmp_path / "yelp_academic_dataset_review.json.gz", rows),
        "businesses": put(tmp_path / "yelp_academic_dataset_business.json", businesses),
    }
    return read("yelp", paths, **settings)


def test_yelp(tmp_path):
    interactions, items, counts = yelp(tmp_path)
    check(interactions, INTERACTIONS, "interactions")
    check(items, ITEMS, "items")
    assert interactions.rows() == [
        ("U1", "P1", 1325604498, 5.0, 0, None),
        ("U1", "P2", 1325635200, 3.0, 2, None),
        ("U1", "P1", 1325721601, 1.0, 1, None),
    ]
    # neither stars nor the count of reviews, nor whether it is open
    assert items["card"].to_list() == [
        "Name: Barnes & Noble. Categories: Books, Mags, Music & Video, Shopping. City: Santa Barbara, CA.",
        "Name: Deli. Categories: Food, Delis.",
    ]
    assert counts["texts_of_unknown_items"] == 1
    assert yelp(tmp_path, duplicates="last")[0]["row"].to_list() == [2, 1]
    assert yelp(tmp_path, start="2012-01-04", end="2012-01-04")[0]["row"].to_list() == [2]


@pytest.mark.parametrize(
    "more", [{"date": "03/01/2012"}, {"date": "2012-01-03 15:28:18junk"}, {"date": "1939-01-03"}, {"stars": "five"},
             {"user_id": ""}, {"business_id": None}]
)  # fmt: skip
def test_yelp_bad_line(tmp_path, more):
    line = {"user_id": "U2", "business_id": "P1", "stars": 4, "date": "2012-01-03 15:28:18", **more}
    with pytest.raises(InputError, match=r"yelp_academic_dataset_review\.json\.gz: line 4: expected"):
        yelp(tmp_path, line)
    interactions, _, counts = yelp(tmp_path, line, max_bad_rows=1)
    assert (interactions.height, counts["malformed_lines"]) == (3, 1)
    with pytest.raises(InputError, match=r"business\.json: line 1: expected a JSON object with business_id"):
        yelp(tmp_path, businesses=[{"name": "X"}])


INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t20\t4\t978300760\n1\t30\t5.0\t978300750.0\n"
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\treview_count:float\n"
    '20\tThe "Usual" Suspects\t1995\tCrime Thriller\t900\n40\tUnseen\t\t\t\n30\tHeat &amp; Dust\t1983\t\t2\n'
)
NAMED = {"title": "movie_title", "categories": "class"}


def recbole(tmp_path, inter=INTER, item=ITEM, **settings):
    paths = {"inter": put(tmp_path / "ml.inter", inter), "item": put(tmp_path / "ml.item", item)}
    return read("recbole", paths, **{"columns": {}, "item_columns": NAMED, "seq_separator": " ", **settings})


def test_recbole(tmp_path):
    interactions, items, counts = recbole(tmp_path)
    check(interactions, INTERACTIONS, "interactions")
    check(items, ITEMS, "items")
    assert interactions.rows() == [("1", "30", 978300750, 5.0, 1, None), ("1", "20", 978300760, 4.0, 0, None)]
    assert items["card"].to_list() == [
        'Title: The "Usual" Suspects. Categories: Crime, Thriller.',
        "Title: Heat & Dust.",
    ]
    assert counts["texts_of_unknown_items"] == 1


def test_recbole_other_names_and_few_columns(tmp_path):
    inter = "uid:token\tartist_id:token\ttags:token_seq\tembedding:float_seq\nu\t5\ta b\t0.1 0.2\n"
    item = "artist_id:token\tname:token\tcategories:token_seq\n5\tNico\tfolk rock, new wave\n"
    names = {"columns": {"user_id": "uid", "item_id": "artist_id"}, "seq_separator": ", "}
    interactions, items, _ = recbole(
        tmp_path, inter, item, item_columns={"item_id": "artist_id", "title": "name"}, **names
    )
    assert interactions.rows() == [("u", "5", None, None, 0, None)]
    assert items["categories"].to_list() == [["folk rock", "new wave"]]


def test_recbole_faults(tmp_path):
    with pytest.raises(
        InputError, match=r"ml\.inter: line 1: expected NAME:TYPE with a type of token, token_seq, float"
    ):
        recbole(tmp_path, "user_id\titem_id\n1\t2\n")
    with pytest.raises(InputError, match=r"ml\.inter: line 1: expected NAME:TYPE"):
        recbole(tmp_path, INTER.replace("rating:float", "rating:int"))
    with pytest.raises(InputError, match=r"ml\.inter: column 'user_id' is missing; it has uid, item_id"):
        recbole(tmp_path, "uid:token\titem_id:token\n1\t2\n")
    with pytest.raises(InputError, match=r"ml\.inter: column 'time' is missing"):
        recbole(tmp_path, columns={"timestamp": "time"})
    with pytest.raises(InputError, match=r"ml\.inter: line 1: two columns are named 'item_id'"):
        recbole(tmp_path, "user_id:token\titem_id:token\titem_id:float\n1\t2\t3\n")
    with pytest.raises(InputError, match=r"ml\.inter: line 4: expected 4 fields"):
        recbole(tmp_path, INTER + "1\t2\n")
    with pytest.raises(InputError, match=r"ml\.inter: line 4: expected a finite number .* as rating, found .NaN"):
        recbole(tmp_path, INTER + "1\t2\tNaN\t3\n")
    with pytest.raises(InputError, match=r"ml\.item: line 5: expected an id in item_id"):
        recbole(tmp_path, item=ITEM + "\tNameless\t\t\t\n")


def test_plain_file_under_a_gz_name_is_read(tmp_path):
    path = tmp_path / "X_5.json.gz"
    path.write_bytes(gzip.decompress(put(path, [review("U1", "B1", 1)]).read_bytes()))
    assert read("amazon", {"reviews": path})[0].height == 1


def test_malformed_lines_are_counted_up_to_the_limit(tmp_path):
    good = [review("U1", "B1", 1), review("U1", "B2", 2)]
    text = gzip.decompress(put(tmp_path / "a.gz", good).read_bytes()).decode()
    first, second = text.splitlines()
    path = put(tmp_path / "b.json", "\n".join([first, "{broken", second, "", '{"asin": 3}']))
    assert read("amazon", {"reviews": path}, max_bad_rows=2)[2]["malformed_lines"] == 2
    with pytest.raises(InputError, match=r"b\.json: line 5: expected a JSON object with reviewerID.*max_bad_rows"):
        read("amazon", {"reviews": path}, max_bad_rows=1)
    with pytest.raises(InputError, match=r"b\.json: line 2: .*'\{broken'"):
        read("amazon", {"reviews": path})


def test_an_object_over_two_lines_is_two_malformed_lines(tmp_path):
    first, second = (json.dumps(review(u, "B1", 1)) for u in ("U1", "U2"))
    path = put(tmp_path / "b.json", f"{first}\n{second[:9]}\n{second[9:]}\n{first}{second}\n")
    assert read("amazon", {"reviews": path}, max_bad_rows=3)[0]["user_id"].to_list() == ["U1"]
    with pytest.raises(InputError, match=r"b\.json: line 2: expected a JSON object"):
        read("amazon", {"reviews": path})


def test_blocks_of_a_file_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr("ptebench.raw.lines.BLOCK", 100)
    reviews = [review(f"U{n % 3}", f"B{n}", n) for n in range(20)]
    assert amazon(tmp_path, reviews)[0]["row"].sort().to_list() == list(range(20))
    put(tmp_path / "c.txt", "".join(f"{m}:\n" + "".join(f"{u},3,2005-01-01\n" for u in range(30)) for m in (7, 8)))
    put(tmp_path / "t.csv", "7,2000,A\n8,2001,B\n")
    interactions = read("netflix", {"ratings": tmp_path / "c.txt", "titles": tmp_path / "t.csv"})[0]
    assert interactions.group_by("item_id").len().sort("item_id").rows() == [("7", 30), ("8", 30)]


def netflix(tmp_path, *ratings, titles="1,2003,Dinosaur Planet\n2,NULL,Am\xe9lie, or: Yes, 1\n30,1999,Unseen\n"):
    paths = [put(tmp_path / f"combined_data_{n}.txt{'.gz' if n else ''}", text) for n, text in enumerate(ratings)]
    return read("netflix", {"ratings": paths, "titles": put(tmp_path / "movie_titles.csv", titles, "iso-8859-1")})


def test_netflix(tmp_path):
    interactions, items, counts = netflix(
        tmp_path, "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n", "2:\r\n1488844,4,2005-09-06\r\n"
    )
    check(interactions, INTERACTIONS, "interactions")
    assert interactions.rows() == [
        ("1488844", "1", 1125964800, 3.0, 0, None),
        ("1488844", "2", 1125964800, 4.0, 2, None),
        ("822109", "1", 1115942400, 5.0, 1, None),
    ]
    assert items["card"].to_list() == ["Title: Dinosaur Planet. Year: 2003.", "Title: Am\xe9lie, or: Yes, 1."]
    assert counts["texts_of_unknown_items"] == 1


def test_netflix_ratings_below_a_broken_heading_belong_to_nobody(tmp_path):
    text = "1:\n5,3,2005-09-06\n2;\n6,4,2005-09-06\n7,4,2005-09-06\n30:\n8,5,2005-09-06\n"
    paths = {"ratings": put(tmp_path / "c.txt", text), "titles": put(tmp_path / "t.csv", "1,2000,A\n")}
    interactions, _, counts = read("netflix", paths, max_bad_rows=3)
    assert interactions.select("user_id", "item_id").rows() == [("5", "1"), ("8", "30")]
    assert counts["malformed_lines"] == 3


def netflix_parts(tmp_path, probe, qualifying="1:\n7,2005-10-01\n", **settings):
    rows = [(m, u, 1 + (m + u) % 5) for m in range(1, 4) for u in range(5, 25)]
    paths = {
        "ratings": [],
        "titles": put(tmp_path / "t.csv", "1,2000,A\n"),
        "probe": put(tmp_path / "probe.txt", probe),
    }
    for m in range(1, 4):
        text = f"{m}:\n" + "".join(f"{u},{r},2005-09-0{m}\n" for n, u, r in rows if n == m)
        paths["ratings"].append(put(tmp_path / f"c{m}.txt", text))
    if qualifying:
        paths["qualifying"] = put(tmp_path / "q.txt", qualifying)
    return rows, *read("netflix", paths, **settings)


@pytest.mark.parametrize("block", [1 << 22, 64])
def test_netflix_probe_and_qualifying(tmp_path, monkeypatch, block):
    monkeypatch.setattr("ptebench.raw.lines.BLOCK", block)
    # in the probe's own order of movies and customers; 7 rates movie 1 a second time in the qualifying set
    rows, interactions, _, counts = netflix_parts(
        tmp_path, "3:\n24\n5\n1:\n6\n", "2:\n7,2005-10-01\n1:\n99,2005-10-02\n"
    )
    check(interactions, INTERACTIONS, "interactions")
    test = interactions.filter(pl.col("part") == "test").select("user_id", "item_id", "rating")
    assert set(test.rows()) == {("24", "3", 3.0), ("5", "3", 4.0), ("6", "1", 3.0)}
    rest = interactions.filter(pl.col("part") == "train")
    bare = rest.filter(pl.col("rating").is_null()).sort("row")
    assert bare.select("user_id", "item_id", "timestamp").rows() == [("7", "2", 1128124800), ("99", "1", 1128211200)]
    assert bare["row"].to_list() == [60, 61] and rest.height == 60 - 3 + 2 and counts["malformed_lines"] == 0
    _, alone, _, _ = netflix_parts(tmp_path, "1:\n6\n", None)
    assert alone.height == 60


def test_netflix_qualifying_without_a_probe_has_no_parts(tmp_path):
    paths = {
        "ratings": put(tmp_path / "c.txt", "1:\n5,3,2005-09-06\n"),
        "titles": put(tmp_path / "t.csv", "1,2000,A\n"),
    }
    paths["qualifying"] = put(tmp_path / "q.txt", "1:\n6,2005-09-06\n")
    assert read("netflix", paths)[0].select("user_id", "rating", "part").rows() == [("5", 3.0, None), ("6", None, None)]
    assert read("netflix", paths, min_rating=1)[0]["user_id"].to_list() == ["5"]


@pytest.mark.parametrize(
    "probe, line", [("1:\n5\n400\n", 3), ("9:\n5\n", 2), ("1:\n5\n6\n5\n", 4), ("1:\n99999999999\n", 2)]
)
def test_netflix_probe_that_is_no_rating(tmp_path, probe, line):
    with pytest.raises(InputError, match=rf"probe\.txt: line {line}: expected a movie and customer of the ratings"):
        netflix_parts(tmp_path, probe)
    _, interactions, _, counts = netflix_parts(tmp_path, probe, max_bad_rows=1)
    assert counts["malformed_lines"] == 1
    assert interactions.filter(pl.col("part") == "test").height == probe.count("\n") - 2


def test_the_netflix_probe_is_the_test_period_of_a_snapshot(tmp_path):
    _, interactions, _, _ = netflix_parts(tmp_path, "3:\n24\n5\n1:\n6\n")
    parts = complete(
        snapshot.split(interactions, {"kind": "snapshot", "cut": None, "end": None, "valid": 0.1, "seed": 0})
    )
    names = dict(parts["vocabulary"].filter(pl.col("side") == "user").select("id", "raw").rows())
    assert {names[u] for u in parts["test"]["user"]} == {"24", "5", "6"}


@pytest.mark.parametrize(
    "bad, line", [("5,3,2005-09-06\n", 1), ("1:\n5,6,2005-09-06\n", 2), ("1:\n5,3,2005-13-06\n", 2), ("1:\nx\n", 2)]
)
def test_netflix_bad_line(tmp_path, bad, line):
    with pytest.raises(InputError, match=rf"combined_data_0\.txt: line {line}: expected"):
        netflix(tmp_path, bad)


def mind(tmp_path, behaviors, **settings):
    news = "N1\tsports\tsoccer\tA goal\tIt was seen.\thttps://x\t[]\t[]\nN2\tnews\tlocal\tRain\t\thttps://x\t[]\t[]\n"
    paths = {"behaviors": put(tmp_path / "behaviors.tsv.gz", behaviors), "news": put(tmp_path / "news.tsv", news)}
    return read("mind", paths, **settings)


BEHAVIORS = (
    "1\tU1\t11/12/2019 2:14:46 PM\tN5 N2\tN1-0 N3-1 N4-1\n"
    "2\tU2\t11/12/2019 12:00:00 AM\t\tN1-1\n"
    "3\tU1\t11/11/2019 5:53:12 AM\tN5 N2\tN1-1 N2-0\n"
)


def test_mind(tmp_path):
    interactions, items, counts = mind(tmp_path, BEHAVIORS)
    check(interactions, INTERACTIONS, "interactions")
    u1 = interactions.filter(pl.col("user_id") == "U1")
    assert u1["item_id"].to_list() == ["N5", "N2", "N1", "N3", "N4"]
    first = 1573451592  # 11/11/2019 5:53:12 AM
    assert u1["timestamp"].to_list() == [first - 2, first - 1, first, 1573568086, 1573568086]
    assert interactions.filter(pl.col("user_id") == "U2")["timestamp"].to_list() == [1573516800]
    cards = dict(items.select("item_id", "card").rows())
    assert cards["N1"] == "Title: A goal. Categories: sports, soccer. Abstract: It was seen."
    assert cards["N2"] == "Title: Rain. Categories: news, local."
    assert cards["N3"] == ""
    assert counts["items_without_card"] == 3
    assert mind(tmp_path, BEHAVIORS, history=False)[0].height == 4


@pytest.mark.parametrize(
    "line, what",
    [
        ("1\tU1\t11/12/2019 2:14:46 PM\tN5", "5 fields"),
        ("1\tU1\tnow\tN5\tN1-1", "a user and a time such as"),
        ("1\t\t11/12/2019 2:14:46 PM\tN5\tN1-1", "a user"),
        ("1\tU1\t11/12/2019 2:14:46 PM\tN5\tN1 N2", "shown news with labels"),
    ],
)
def test_mind_bad_line(tmp_path, line, what):
    with pytest.raises(InputError, match=rf"behaviors\.tsv\.gz: line 4: expected {what}"):
        mind(tmp_path, BEHAVIORS + line + "\n")


RECLM_ITEMS = [
    {"item_id": 4, "cate": "news", "sub_cate": "us", "title": "One", "abstract": "It.", "train_col": 0,
     "test_col": None},
    {"item_id": 7, "year": 1999, "title": "Two", "train_col": 1, "test_col": 0},
    {"item_id": 9, "title": "Three", "train_col": None, "test_col": 1},
]  # fmt: skip
TRAIN = sparse.csr_matrix([[1, 1], [0, 1]], dtype=np.float32)
TEST = sparse.csr_matrix([[0, 1], [1, 1]], dtype=np.float32)


def reclm(tmp_path, train, test, items=RECLM_ITEMS):
    return read("reclm", {"train": train, "test": test, "items": put(tmp_path / "items.jsonl.gz", items)})


def reclm_npz(tmp_path, train=TRAIN, test=TEST):
    for name, matrix in (("train", train), ("test", test)):
        sparse.save_npz(tmp_path / f"{name}.npz", matrix)
    return tmp_path / "train.npz", tmp_path / "test.npz"


def reclm_pickles(tmp_path):
    for name, matrix, protocol in (("train", TRAIN, 4), ("test", TEST.tocoo(), 2)):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(matrix, protocol))
    return tmp_path / "train.pkl", tmp_path / "test.pkl"


@pytest.mark.parametrize("files", [reclm_npz, reclm_pickles])
def test_reclm(tmp_path, files):
    interactions, items, _ = reclm(tmp_path, *files(tmp_path))
    check(interactions, INTERACTIONS, "interactions")
    assert interactions.select("user_id", "item_id", "part").rows() == [
        ("0", "4", "train"), ("0", "7", "train"), ("0", "9", "test"),
        ("1", "7", "train"), ("1", "7", "test"), ("1", "9", "test"),
    ]  # fmt: skip
    assert items["card"].to_list() == [
        "Title: One. Categories: news, us. Abstract: It.", "Title: Two. Year: 1999.", "Title: Three.",
    ]  # fmt: skip


def test_reclm_faults(tmp_path):
    with pytest.raises(InputError, match=r"column 1 belongs to no item; expected it as train_col in .*items\.jsonl"):
        reclm(tmp_path, *reclm_npz(tmp_path), items=RECLM_ITEMS[:1] + RECLM_ITEMS[2:])
    with pytest.raises(InputError, match=r"items\.jsonl\.gz: line 4: train_col 1 belongs to another item already"):
        reclm(tmp_path, *reclm_npz(tmp_path), items=[*RECLM_ITEMS, {"item_id": 5, "train_col": 1}])
    with pytest.raises(InputError, match=r"column 0 belongs to no item; expected it as train_col"):
        reclm(tmp_path, *reclm_npz(tmp_path), items=RECLM_ITEMS[1:])
    with pytest.raises(InputError, match=r"test\.npz: 1 rows; expected the 2 users"):
        reclm(tmp_path, *reclm_npz(tmp_path, test=TEST[:1]))
    (tmp_path / "train.npz").write_bytes(b"PK\x03\x04broken")
    with pytest.raises(InputError, match=r"train\.npz: not readable as a scipy matrix"):
        reclm(tmp_path, tmp_path / "train.npz", tmp_path / "test.npz")


class Hostile:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("module, name", [("os", "system"), ("builtins", "eval"), ("numpy", "load")])
def test_hostile_pickle_is_refused_and_runs_nothing(tmp_path, protocol, module, name):
    mark = tmp_path / "mark"
    argument = f"open({str(mark)!r}, 'w')" if name == "eval" else f"touch {mark}"
    __import__(module)
    path = tmp_path / "train.pkl"
    path.write_bytes(pickle.dumps({"matrix": Hostile(getattr(sys.modules[module], name), argument)}, protocol))
    with pytest.raises(InputError, match=r"train\.pkl: refused as a pickle of data \(it asks for"):
        read_pickle(path)
    assert not mark.exists()


def test_other_pickles(tmp_path):
    path = tmp_path / "x.pkl"
    value = {"a": [1, (2.0, "t")], "b": {3}, "c": np.arange(3), "d": np.float32(2)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(gzip.compress(pickle.dumps(value, protocol)))
        assert str(read_pickle(path)) == str(value)
    path.write_bytes(pickle.dumps(value)[:-20])
    with pytest.raises(InputError, match=r"x\.pkl: (not a whole pickle|refused)"):
        read_pickle(path)


@pytest.mark.parametrize("name", ["s.txt", "s.txt.gz"])
@pytest.mark.parametrize("text", ["u2 5 5 7\nu1 9\n", "user_id\titem_ids\nu2\t5 5 7\nu1\t9\n"])
def test_sequences(tmp_path, name, text):
    interactions, items, _ = read("sequences", {"sequences": put(tmp_path / name, text)})
    check(interactions, INTERACTIONS, "interactions")
    assert interactions.select("user_id", "item_id", "row", "timestamp", "part").rows() == [
        ("u1", "9", 3, None, None), ("u2", "5", 0, None, None), ("u2", "5", 1, None, None), ("u2", "7", 2, None, None),
    ]  # fmt: skip
    assert items["card"].to_list() == ["", "", ""]


def test_sequences_in_parts_have_opaque_users(tmp_path):
    paths = {
        part: put(tmp_path / f"{part}.txt.gz", f"1 2 {n}\n3 4\n") for n, part in enumerate(["train", "valid", "test"])
    }
    interactions, _, _ = read("sequences", paths, user_column=False)
    assert interactions.group_by("part").agg(pl.col("user_id").n_unique()).sort("part").rows() == [
        ("test", 2), ("train", 2), ("valid", 2),
    ]  # fmt: skip
    assert interactions["user_id"].str.contains("^u[0-9a-f]{16}$").all()
    for _, rows in interactions.group_by("user_id"):
        assert rows["row"].to_list() == sorted(rows["row"])


@pytest.mark.parametrize(
    "items",
    ["item_id\ttitle\n7\tA <i>big</i> game\n8\tOther\n", [{"item_id": 7, "title": "A big game", "attribute_ids": [1]}]],
)
def test_item_files_of_sequences(tmp_path, items):
    name = "items.tsv.gz" if isinstance(items, str) else "items.jsonl.gz"
    paths = {"sequences": put(tmp_path / "s.txt", "u 7 9\n"), "items": put(tmp_path / name, items)}
    assert read("sequences", paths)[1]["card"].to_list() == ["Title: A big game.", ""]


def test_sequences_whose_items_name_their_columns_otherwise(tmp_path):
    paths = {
        "sequences": put(tmp_path / "s.txt", "u 7 9\n"),
        "items": put(tmp_path / "i.tsv", "item_id\tattribute_ids\n7\t173 1 162\n9\t34\n"),
    }
    items = read("sequences", paths, item_columns={"categories": "attribute_ids"})[1]
    assert items["card"].to_list() == ["Categories: 173 1 162.", "Categories: 34."]


TIMED = "user_id\titem_ids\ttimestamps\nu2\t5 6 7 8\t20 20 NA 30\nu1\t9\tNA\n"


@pytest.mark.parametrize("own", [True, False])
def test_times_of_sequences_stand_in_a_third_column_or_in_a_file_beside(tmp_path, own):
    sequences = put(tmp_path / "s.tsv.gz", TIMED if own else "user_id\titem_ids\nu2\t5 6 7 8\nu1\t9\n")
    beside = put(tmp_path / "t.tsv.gz", "user_id\ttimestamps\nu1\tNA\nu2\t20 20 NA 30\n")
    paths = {"sequences": sequences, "times": sequences if own else beside}
    found = read("sequences", paths)[0].select("user_id", "item_id", "timestamp").rows()
    assert found == [("u1", "9", None), ("u2", "5", 20), ("u2", "6", 20), ("u2", "7", None), ("u2", "8", 30)]
    shuffled = [
        read("sequences", paths, tie_break="shuffle", tie_seed=seed)[0]["item_id"].to_list() for seed in range(9)
    ]
    assert {order[-1] for order in shuffled} == {"8"} and len({tuple(order) for order in shuffled}) > 2


@pytest.mark.parametrize(
    "row, said",
    [
        ("5 6\t1", "a time for each item"), ("5 6\t2 1", "that never fall"), ("5\tmonday", "in seconds since 1970"),
        ("5\t1700000000000", "in seconds since 1970"), ("5 6", "a user, a tab, and item ids"),
    ],
)  # fmt: skip
def test_times_that_do_not_fit_their_sequence_are_named(tmp_path, row, said):
    path = put(tmp_path / "s.tsv", f"user_id\titem_ids\ttimestamps\nu0\t1\t1\nu1\t{row}\n")
    with pytest.raises(InputError, match=rf"s\.tsv: line 3: .*{said}"):
        read("sequences", {"sequences": path, "times": path})


def test_times_that_nobody_names_and_names_without_times_are_told(tmp_path):
    path, plain = put(tmp_path / "s.tsv", TIMED), put(tmp_path / "p.tsv", "user_id\titem_ids\nu\t1\n")
    with pytest.raises(InputError, match=r"s\.tsv: it has a column of times; name it as 'times'"):
        read("sequences", {"sequences": path})
    with pytest.raises(InputError, match=r"p\.tsv: expected a third column"):
        read("sequences", {"sequences": plain, "times": plain})


def test_a_split_whose_numbers_are_its_own_has_texts_and_times_of_another_file_by_maps(tmp_path):
    paths = {
        part: put(tmp_path / f"{part}.txt", f"1 2\n{n} 3\n") for n, part in enumerate(["train", "valid", "test"], 4)
    }
    users = [f"{part}\t{line}\tU{part}{line}" for part in paths for line in (1, 2)]
    paths |= {
        "user_map": put(tmp_path / "u.tsv", "split\tline\tuser\n" + "\n".join(users) + "\n"),
        "times": put(tmp_path / "t.tsv", "user_id\ttimestamps\n" + "".join(f"{u.split()[2]}\t7 8 9\n" for u in users)),
        "items": put(tmp_path / "i.tsv", "item_id\ttitle\n11\tOne\n12\tTwo\n1\tWrong\n"),
        "item_map": put(tmp_path / "m.tsv", "item_id\tother\tasin\n1\t11\tA\n2\t12\tB\n"),
    }
    interactions, items, _ = read("sequences", paths, user_column=False)
    assert interactions.filter(pl.col("user_id") == "Utrain1").select("item_id", "timestamp", "part").rows() == [
        ("1", 8, "train"), ("2", 9, "train"),
    ]  # fmt: skip
    assert dict(items.select("item_id", "card").rows())["1"] == "Title: One."
    put(tmp_path / "u.tsv", "split\tline\tuser\n" + "\n".join(users[1:]) + "\n")
    with pytest.raises(InputError, match=r"u\.tsv: no user of line 1 of .*train\.txt"):
        read("sequences", paths, user_column=False)


def test_a_map_of_items_that_fits_badly_is_counted_and_one_that_fits_nowhere_is_refused(tmp_path):
    paths = {
        "sequences": put(tmp_path / "s.txt", "u 1 2 3\nv 2 4\n"),
        "items": put(tmp_path / "i.tsv", "item_id\ttitle\n11\tOne\n12\tTwo\n"),
        "item_map": put(tmp_path / "m.tsv", "item_id\tother\n1\t11\n2\t12\n3\t12\n4\t14\n"),
    }
    _, items, counts = read("sequences", paths)
    assert dict(items.select("item_id", "title").rows()) == {"1": "One", "2": "Two", "3": "Two", "4": None}
    assert (counts["items_mapped_to_no_row"], counts["items_mapped_to_a_row_of_another"]) == (1, 2)
    put(tmp_path / "m.tsv", "other\titem_id\n11\t1\n12\t2\n")
    with pytest.raises(InputError, match=r"m\.tsv: .*i\.tsv has none of the 2 ids of the second column, such as '1'"):
        read("sequences", paths)


def test_a_publishers_parts_of_each_user_stand_in_a_column_each(tmp_path):
    path = put(tmp_path / "p.tsv", "user_id\ttrain_item_ids\tvalid_item_ids\ttest_item_ids\n0\t5 0\t7\t9\n1\t7\t\t5\n")
    interactions = read("sequences", {"parts": path})[0]
    assert sorted(interactions.select("user_id", "item_id", "part").rows()) == [
        ("0", "0", "train"), ("0", "5", "train"), ("0", "7", "valid"), ("0", "9", "test"), ("1", "5", "test"),
        ("1", "7", "train"),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"p\.tsv: line 2: expected a user and the item ids"):
        read("sequences", {"parts": put(path, "user_id\ttrain\n0\t5 0\n")})


def test_sequences_faults(tmp_path):
    with pytest.raises(InputError, match=r"s\.tsv: line 1: expected the header"):
        read("sequences", {"sequences": put(tmp_path / "s.tsv", "uid\titems\nu\t1\n")})
    with pytest.raises(InputError, match=r"s\.txt: line 1: expected the header"):
        read("sequences", {"sequences": put(tmp_path / "s.txt", "user_id item_ids\nu 1\n")})
    with pytest.raises(InputError, match=r"s\.tsv: line 3: expected a user, a tab, and item ids"):
        read("sequences", {"sequences": put(tmp_path / "s.tsv", "user_id\titem_ids\na b\t1\nu 1\n")})
    with pytest.raises(InputError, match=r"s\.txt: line 2: expected a user and at least one item"):
        read("sequences", {"sequences": put(tmp_path / "s.txt", "u 1\nv\n")})
    with pytest.raises(InputError, match=r"s\.txt: line 3: user 'u' has a line already"):
        read("sequences", {"sequences": put(tmp_path / "s.txt", "u 1\nv 1\nu 2\n")})
    with pytest.raises(InputError, match=r"items\.tsv: column 'item_id' is missing; it has asin, title"):
        items = put(tmp_path / "items.tsv", "asin\ttitle\n1\tx\n")
        read("sequences", {"sequences": put(tmp_path / "s.txt", "u 1\n"), "items": items})


COLUMNS = {"user_id": "who", "item_id": "what", "timestamp": "when", "rating": "stars"}
ROWS = [("a", "x", 30, 4.0), ("b", 'y, "z"', 20, 1.5), ("a", "w", 10, 5.0)]


def table(tmp_path, name, rows=ROWS, **settings):
    frame = pl.DataFrame(rows, schema=list(COLUMNS.values()), orient="row").with_columns(extra=pl.lit(1))
    path = tmp_path / name
    match name.removesuffix(".gz").rsplit(".")[-1]:
        case "parquet":
            frame.write_parquet(path)
        case "jsonl":
            put(path, frame.to_dicts())
        case "csv":
            put(path, frame.write_csv())
        case "tsv":
            put(path, frame.write_csv(separator="\t", quote_style="never"))
    return read("table", {"interactions": path}, **{"columns": COLUMNS, **settings})


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.jsonl", "t.parquet"])
def test_table(tmp_path, name):
    interactions, _, _ = table(tmp_path, name)
    check(interactions, INTERACTIONS, "interactions")
    assert interactions.drop("part").rows() == [
        ("a", "w", 10, 5.0, 2), ("a", "x", 30, 4.0, 0), ("b", 'y, "z"', 20, 1.5, 1),
    ]  # fmt: skip


def test_table_times_as_text(tmp_path):
    rows = [("a", "x", "1970-01-02", 1.0), ("a", "y", "1970-01-01T00:01:00", 2.0)]
    assert table(tmp_path, "t.csv", rows)[0]["timestamp"].to_list() == [60, 86400]


def test_table_with_items_and_few_columns(tmp_path):
    interactions = put(tmp_path / "t.csv", "u,i\na,1\n")
    items = put(tmp_path / "i.csv", 'id,name,kind\n1,"A ""b"",\nc",x|y\n')
    frame, texts, _ = read(
        "table", {"interactions": interactions, "items": items}, columns={"user_id": "u", "item_id": "i"},
        item_columns={"item_id": "id", "title": "name", "categories": "kind"},
    )  # fmt: skip
    assert frame.rows() == [("a", "1", None, None, 0, None)]
    assert texts["card"].to_list() == ['Title: A "b", c. Categories: x, y.']


def test_table_faults(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: column 'user' is missing; it has who, what, when, stars, extra"):
        table(tmp_path, "t.csv", columns={"user_id": "user", "item_id": "what"})
    with pytest.raises(InputError, match=r"t\.csv: line 3: expected a finite number .* as stars, found .many"):
        table(tmp_path, "t.csv", [("a", "x", "1", "4"), ("a", "y", "2", "many")])
    with pytest.raises(InputError, match=r"t\.csv: column 'when' holds 1700000000000; expected seconds"):
        table(tmp_path, "t.csv", [("a", "x", 1700000000000, 4.0)])
    with pytest.raises(InputError, match=r"t\.csv: line 3: expected 2 fields"):
        path = put(tmp_path / "t.csv", "u,i\na,1\nb\n")
        read("table", {"interactions": path}, columns={"user_id": "u", "item_id": "i"})
    rows = [("a", "x", "24/12/2011", "4")] * 2
    with pytest.raises(
        InputError, match=r"no interaction was read: 2 lines are malformed, the first .*t\.csv: line 2: expected a time"
    ):
        table(tmp_path, "t.csv", rows, max_bad_rows=9)
    with pytest.raises(InputError, match="columns: item_id is not named"):
        table(tmp_path, "t.csv", columns={"user_id": "who"})


def test_a_line_of_sequences_with_a_time_too_few_tells_how_many_it_has(tmp_path):
    path = put(tmp_path / "s.tsv", "user_id\titem_ids\ttimestamps\nu\ta b\t1 2\nv\ta b c\t1 2\n")
    with pytest.raises(InputError, match=r"s\.tsv: line 3: expected a time for .*, found '2 times for 3 items: 1 2'"):
        read("sequences", {"sequences": path, "times": path})


def test_files_that_are_not_there_or_not_whole(tmp_path):
    (tmp_path / "d.json").mkdir()
    with pytest.raises(InputError, match=r"d\.json: is a folder; name a file"):
        read("amazon", {"reviews": tmp_path / "d.json"})
    with pytest.raises(InputError, match=r"none\.json: no such file"):
        read("amazon", {"reviews": tmp_path / "none.json"})
    path = put(tmp_path / "X_5.json.gz", [review(f"U{n}", "B", n) for n in range(500)])
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"X_5\.json\.gz: not a whole gzip file"):
        read("amazon", {"reviews": path})
    with pytest.raises(InputError, match="the file is empty"):
        read("amazon", {"reviews": put(tmp_path / "e.json", "")})
    with pytest.raises(InputError, match=r"l\.txt: line 2: not utf-8 text"):
        read("sequences", {"sequences": put(tmp_path / "l.txt", b"u 1\nv \xe9\n")})
