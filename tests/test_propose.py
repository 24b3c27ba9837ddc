"""A proposal for files of one's own: what columns mean, what filters leave, what is not clear."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml

from ptebench.config.datasets import Table
from ptebench.config.read import read
from ptebench.data.sources import table
from ptebench.errors import InputError
from ptebench.propose import configuration, propose
from ptebench.raw.meaning import named

ROOT = Path(__file__).resolve().parents[1]
HERE = os.environ | {"PYTHONPATH": str(ROOT)}


def shop(folder, users=60, items=25, each=6):
    """Write purchases.csv and products.csv; every user buys `each` items."""
    rows = [f"{u},s{(u + n) % items},{1_500_000_000 + n * 86_400}" for u in range(users) for n in range(each)]
    (folder / "purchases.csv").write_text("\n".join(["customer,sku,time", *rows]) + "\n")
    cards = [f's{i},"Pen {i}, blue",Office|Pens' for i in range(items)]
    (folder / "products.csv").write_text("\n".join(["sku,name,category", *cards]) + "\n")


def test_the_proposal_for_the_readme_s_files_is_the_configuration_that_comes_along(tmp_path, monkeypatch):
    shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    proposal = propose(Path("purchases.csv"), Path("products.csv"))
    text = configuration(proposal)
    assert yaml.safe_load(text) == yaml.safe_load((ROOT / "configs/own.yaml").read_text())
    assert "# 360 interactions of 60 users with 25 items" in text and not proposal.doubts
    (tmp_path / "own.yaml").write_text(text)
    assert read([tmp_path / "own.yaml"], {})["datasets"]["own"]["user_core"] == 5


@pytest.mark.parametrize("day", ["1500000000", "978824268", "1500000000.5", "2017-07-14", "2017-07-14T02:40:00"])
def test_a_column_of_times_is_known_by_what_it_holds(tmp_path, day):
    shop(tmp_path)
    text = (tmp_path / "purchases.csv").read_text().splitlines()
    lines = [line.rpartition(",")[0] for line in text[1:]]
    (tmp_path / "log.csv").write_text(
        "\n".join(["viewer,sku,when,price", *(f"{line},{day},9" for line in lines)]) + "\n"
    )
    columns = propose(tmp_path / "log.csv").settings["columns"]
    assert columns == {"user_id": "viewer", "item_id": "sku", "timestamp": "when"}


@pytest.mark.parametrize("name", ["order_id", "OrderNo", "isbn", "price"])
def test_a_column_of_numbers_as_large_as_times_is_none_by_its_name(tmp_path, name):
    shop(tmp_path)
    text = (tmp_path / "purchases.csv").read_text().replace("time", name, 1)
    (tmp_path / "log.csv").write_text(text)
    assert "timestamp" not in propose(tmp_path / "log.csv").settings["columns"]


def test_a_file_whose_name_is_near_is_named(tmp_path):
    shop(tmp_path)
    with pytest.raises(InputError, match=r"purchase.csv: no such file \(there is purchases.csv\)$"):
        propose(tmp_path / "purchase.csv")
    with pytest.raises(InputError, match="no such file$"):
        propose(tmp_path / "ratings.json")


def test_a_sample_is_proposed_of_many_users_and_what_it_costs_is_said(tmp_path, monkeypatch):
    shop(tmp_path)
    proposal = propose(tmp_path / "purchases.csv")
    assert "users: 1500" not in configuration(proposal)
    monkeypatch.setattr("ptebench.propose.MANY", 60)
    text = configuration(proposal)
    assert yaml.safe_load(text)["datasets"]["own"] == proposal.settings, "a comment"
    text = text.replace("# users: 1500 ", "users: 1500 ").replace(
        "    metrics:", "    groups: [overall, known_item]\n    metrics:"
    )
    (tmp_path / "own.yaml").write_text(text)
    settings = read([tmp_path / "own.yaml"], {})
    assert settings["datasets"]["own"]["users"] == 1500 and "`groups: [overall, known_item]`" in text


def test_what_is_proposed_runs(tmp_path):
    shop(tmp_path)
    say = subprocess.run(
        [sys.executable, "-m", "ptebench.propose", "purchases.csv"],
        cwd=tmp_path,
        env=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    (tmp_path / "own.yaml").write_text(say.stdout)
    table = read([tmp_path / "own.yaml"], {"data_root": str(tmp_path)})
    assert table["datasets"]["own"]["items"] is None and list(table["representations"]) == ["id"]
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "-n", "-q", "--configfile", "own.yaml"]
    plan = subprocess.run(command, cwd=tmp_path, env=HERE, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stdout + plan.stderr


def test_files_of_several_datasets_are_told_apart_by_name(tmp_path):
    shop(tmp_path)
    text = configuration(propose(tmp_path / "purchases.csv"), "movies")
    proposed = yaml.safe_load(text)
    assert (
        list(proposed["datasets"]) == list(proposed["tables"]) == proposed["tables"]["movies"]["datasets"] == ["movies"]
    )
    assert "--configfile movies.yaml" in text
    command = [sys.executable, "-m", "ptebench.propose", "purchases.csv", "--name", "My films"]
    done = subprocess.run(command, cwd=tmp_path, env=HERE, capture_output=True, text=True)
    assert done.returncode == 1 and "--name 'My films': expected small letters" in done.stderr


@pytest.mark.parametrize(
    "columns, expected",
    [
        (["userId", "movieId", "rating", "timestamp"], ["userId", "movieId", "timestamp", "rating"]),
        (["overall", "reviewTime", "reviewerID", "asin", "reviewerName", "unixReviewTime"],
         ["reviewerID", "asin", "unixReviewTime", "overall"]),
        (["review_id", "user_id", "business_id", "stars", "date"], ["user_id", "business_id", "date", "stars"]),
        (["visitor", "event_time", "product_name", "product_id"], ["visitor", "product_id", "event_time"]),
        (["a", "b"], []),
    ],
)  # fmt: skip
def test_names_of_columns_tell_what_they_hold(columns, expected):
    assert list(named(columns, ("user_id", "item_id", "timestamp", "rating")).values()) == expected


def test_what_is_not_clear_is_said(tmp_path):
    lines = [f"u{u}\t{u % 5}\tx" for u in range(30)] + ["\t\t"] + ["u1\t\tx"]
    (tmp_path / "a.tsv").write_text("\n".join(["user\titem\tweather", *lines]) + "\n")
    proposal = propose(tmp_path / "a.tsv")
    assert proposal.settings["max_bad_rows"] == 1 and proposal.settings["tie_break"] == "file"
    assert proposal.settings["user_core"] == 0  # nobody has two
    told = " ".join(proposal.doubts)
    assert "nothing reads weather" in told and "no column's name tells a time" in told
    assert "1 malformed lines are skipped, the first " in told and "a.tsv: line 33: expected an id" in told


def test_lines_of_items_are_sequences_and_a_publisher_s_file_is_known(tmp_path):
    (tmp_path / "s.tsv").write_text("user_id\titem_ids\n" + "".join(f"{u}\t1 2 3 4 5\n" for u in range(60)))
    assert propose(tmp_path / "s.tsv").settings["source"] == "sequences"
    timed = [f"{u}\t1 2 3 4 5\t10 20 30 40 50\n" for u in range(60)]
    (tmp_path / "t.tsv").write_text("user_id\titem_ids\ttimestamps\n" + "".join(timed))
    settings = propose(tmp_path / "t.tsv").settings
    assert settings["times"] == settings["sequences"] and "tie_break" not in settings
    records = [{"reviewerID": f"u{n}", "asin": "a", "unixReviewTime": n, "style": {"x": 1}} for n in range(9)]
    (tmp_path / "r.json").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert "`source: amazon`" in " ".join(propose(tmp_path / "r.json").doubts)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.csv", "1,2,3\n4,5,6\n", "looks like data; write the columns' names"),
        (
            "a.csv",
            "colour,shape\nred,round\n",
            "no column's name tells who acts or what is acted on; it has colour, shape; rename the column to user_id, item_id",
        ),
        ("a.csv", "user,shape\nred,round\n", "no column's name tells what is acted on"),
        ("a.csv", "user,item\n", "no line below"),
        ("a.dat", "1::Heat (1995)::Action|Crime\n", "tells who acts; it has item_id, title, genres"),
        ("a.dat", "1::F::1::10::48067\n", "expected user_id::item_id::rating::timestamp or item_id::title::genres"),
        (
            "a.csv",
            "user,item,time\n" + "u1,i1,24/12/2011\n" * 20,
            "line 2: expected a time, .* found '24/12/2011'; 20 of 20 lines are malformed",
        ),
        (
            "a.csv",
            "user,item,time\n" + "u1,i1,1\n" * 18 + "u1,i1,x\n" * 2,
            "line 20: .* found 'x'; 2 of 20 lines are malformed",
        ),
        (
            "a.csv",
            "user,item\n" + "u1;i1\n" * 3,
            "line 2: expected 2 fields, user,item, found 'u1;i1'; 3 lines are malformed",
        ),
        (
            "a.tsv",
            "user_id\titem_ids\ttimestamps\n" + "".join(f"u{n}\t1 2 3\t10 20\n" for n in range(9)),
            "9 of 9 lines are malformed",
        ),
        (
            "a.tsv",
            "user_id\titem_ids\ttimestamps\n" + "".join(f"u{n}\t1 2,5\t10 20\n" for n in range(9)),
            "9 of 9 lines are malformed",
        ),
        (
            "a.csv",
            "user;item;time\n1;2;3\n",
            "its first line, user;item;time, has its fields separated by ';'; save it with commas",
        ),
        ("a.tsv", "user,item\n1,2\n", "separated by ','; name it .csv"),
        ("a.csv", "u1,i1,2011-12-24\n", "looks like data; write the columns' names"),
        ("a.csv", "1::3186::4::978300019\n", "its fields separated by '::'; name it .dat, as MovieLens"),
    ],
)
def test_what_no_configuration_could_read_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said):
        propose(tmp_path / name)


def test_swapped_files_are_told_to_be_so(tmp_path):
    shop(tmp_path)
    with pytest.raises(
        InputError, match=r"tells who acts; it has sku, name, category; are the two files swapped\? .*purch"
    ):
        propose(tmp_path / "products.csv", tmp_path / "purchases.csv")


def test_texts_without_a_sound_line_are_refused_by_the_first_of_them(tmp_path):
    shop(tmp_path)
    (tmp_path / "products.csv").write_text("sku,name\n" + "s1,Pen,blue\n" * 3)
    with pytest.raises(InputError, match=r"products\.csv: line 2: expected 2 fields.*; 3 lines are malformed"):
        propose(tmp_path / "purchases.csv", tmp_path / "products.csv")


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8"])
def test_movielens_is_read_as_it_comes(tmp_path, encoding):
    rows = [f"{u}::{(u + n) % 25}::{n % 5 + 1}::{1_500_000_000 + n * 86_400}" for u in range(60) for n in range(6)]
    (tmp_path / "ratings.dat").write_text("\n".join(rows) + "\n")
    movies = "\n".join(f"{i}::Misérables {i}, Les (1995)::Drama|Children's" for i in range(25)) + "\n"
    (tmp_path / "movies.dat").write_text(movies, encoding=encoding)
    settings = propose(tmp_path / "ratings.dat", tmp_path / "movies.dat").settings
    assert list(settings["columns"]) == ["user_id", "item_id", "timestamp", "rating"]
    assert settings["item_columns"] == {"item_id": "item_id", "title": "title", "categories": "genres"}
    defaults = Table.model_validate(settings).model_dump()
    read = table.read({"interactions": [tmp_path / "ratings.dat"], "items": [tmp_path / "movies.dat"]}, defaults)
    assert pl.concat(read.interactions).collect().select("user_id", "item_id", "rating", "timestamp").row(7) == (
        "1", "2", 2.0, 1_500_086_400,
    )  # fmt: skip
    assert read.items["title"][3] == "Misérables 3, Les (1995)"
    assert read.items["categories"][3].to_list() == ["Drama", "Children's"]


def test_a_file_that_is_not_there_or_a_folder_is_said_to_be_so(tmp_path):
    for name in ("a.csv", "a.parquet"):
        with pytest.raises(InputError, match=rf"{name}: no such file$"):
            propose(tmp_path / name)
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=rf"{name}: is a folder; name a file$"):
            propose(tmp_path / name)


def test_a_file_of_recbole_s_is_read_by_its_names_and_said_to_be_one(tmp_path):
    rows = [f"u{u}\ti{(u + n) % 25}\t{n // 2}" for u in range(60) for n in range(6)]
    (tmp_path / "ml.inter").write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n")
    (tmp_path / "ml.item").write_text("item_id:token\ttitle:token_seq\n" + "".join(f"i{i}\tT {i}\n" for i in range(25)))
    proposal = propose(tmp_path / "ml.inter", tmp_path / "ml.item")
    assert proposal.settings["columns"] == {"user_id": "user_id", "item_id": "item_id", "timestamp": "timestamp"}
    assert proposal.settings["item_columns"] == {"item_id": "item_id", "title": "title"}
    told = " ".join(proposal.facts + proposal.doubts)
    assert "`source: recbole` reads as it comes" in told and "all 25 items that the first rows" in told
    assert "60% of a user's interactions have the time of the one before" in told


def test_texts_of_other_ids_are_refused(tmp_path):
    shop(tmp_path)
    (tmp_path / "products.csv").write_text("sku,name\n001,Pen\n")
    with pytest.raises(InputError, match="no column holds ids of the interactions, such as 's0'"):
        propose(tmp_path / "purchases.csv", tmp_path / "products.csv")


def test_a_file_without_texts_is_left_out(tmp_path):
    shop(tmp_path)
    (tmp_path / "products.csv").write_text("sku,stars\ns0,5\ns1,4\n")
    proposal = propose(tmp_path / "purchases.csv", tmp_path / "products.csv")
    assert "items" not in proposal.settings
    assert any("no column's name tells a title" in doubt and "is left out" in doubt for doubt in proposal.doubts)


def test_plain_numbers_as_ids_are_doubted_by_name_since_any_other_file_has_them_too(tmp_path):
    rows = [f"{u},{(u + n) % 20 if n else 7},{1_500_000_000 + n * 86_400}" for u in range(60) for n in range(6)]
    (tmp_path / "ratings.csv").write_text("\n".join(["userId,movieId,timestamp", *rows]) + "\n")
    games = [f'{i},"Game {i}",{i + 5}' for i in range(500)]
    (tmp_path / "games.csv").write_text("\n".join(["id,title,rank_id", *games]) + "\n")
    proposal = propose(tmp_path / "ratings.csv", tmp_path / "games.csv")
    told = " ".join(proposal.doubts)
    assert "would seem to fit too. Item 7, chosen most, would be 'Game 7'; is it?" in told
    assert "rank_id holds ids of 15 of them too" in told and "without a row" not in told
    assert any(
        "all 20 items that the first rows of the interactions name have a row" in fact for fact in proposal.facts
    )
    (tmp_path / "few.csv").write_text("\n".join(["id,title", *(game.rpartition(",")[0] for game in games[:12])]) + "\n")
    assert "items without a row have no text" in " ".join(
        propose(tmp_path / "ratings.csv", tmp_path / "few.csv").doubts
    )


def test_a_file_of_parts_is_told_what_reads_it(tmp_path):
    (tmp_path / "splits.tsv").write_text("user_id\ttrain_item_ids\tvalid_item_ids\ttest_item_ids\n0\t1 2\t3\t4\n")
    with pytest.raises(InputError, match="are parts of a split that somebody made.*`source: sequences, parts: FILE`"):
        propose(tmp_path / "splits.tsv")
