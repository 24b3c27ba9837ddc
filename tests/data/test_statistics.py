"""Statistics beside the published counts, the real datasets, and the jobs on the command line."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from ptebench.data.leakage import check_split
from ptebench.data.protocols import cold_start_user, global_temporal, leave_one_out, long_tail, snapshot
from ptebench.data.splits import complete, counts, of_events
from ptebench.data.statistics import compare, describe, read_published
from ptebench.files import EVENTS, INTERACTIONS, TRAIN, InputError, read_json, read_table, write_json
from tests.conftest import REPOSITORY
from tests.data.readers import put, read

PUBLISHED = REPOSITORY / "ptebench/report/published_statistics.csv"
COLD = {"kind": "cold_start_user", "last": 11, "valid": 0.1, "test": 0.1, "seed": 0, "given": True, "cold_k": [],
        "remove_seen": False}  # fmt: skip
SNAPSHOT = {"kind": "snapshot", "cut": None, "end": None, "valid": 0.1, "seed": 0}


def verdicts(interactions, items, key):
    frame = compare("d", describe(interactions, items), read_published(PUBLISHED), key)
    return dict(frame.filter(pl.col("published").is_not_null()).select("statistic", "verdict").rows())


def test_compare():
    published = pl.DataFrame(
        {"dataset": ["k", "k"], "statistic": ["users", "items"], "value": [2.0, 5.0], "source": "s"}
    )
    frame = compare("d", {"users": 2, "items": 4, "interactions": 9}, published, "k")
    assert frame.select("value", "published", "verdict").rows() == [
        (2.0, 2.0, "equal"), (4.0, 5.0, "differs"), (9.0, None, "no published value"),
    ]  # fmt: skip
    for key in (None, "of values alone"):
        assert set(compare("d", {"users": 2}, published, key)["verdict"]) == {"no published value"}
    with pytest.raises(InputError, match="published 'items', which this dataset's source does not yield"):
        compare("d", {"users": 2}, published, "k")


def test_mind_equals_the_published_statistics(shared_data):
    folder = shared_data / "processed/reclm-mind"
    paths = {"train": folder / "train.npz", "test": folder / "test.npz", "items": folder / "items.jsonl.gz"}
    interactions, items, _ = read("reclm", paths)
    values = describe(interactions, items)
    assert [values[k] for k in ("users", "overlap_items", "train_items", "train_interactions")] == [
        57128,
        1020,
        2386,
        89734,
    ]
    assert [values[k] for k in ("test_items", "test_interactions")] == [2461, 87974]
    assert [values[k] for k in ("train_sparsity_percent", "test_sparsity_percent")] == [99.934, 99.937]
    assert set(verdicts(interactions, items, "reclm-mind").values()) == {"equal"}
    parts = complete(snapshot.split(interactions, SNAPSHOT))
    sizes = dict(parts["test"].group_by("ranking").len().rows())
    assert sizes == {"full": 56972, "zero_shot": 20394}
    targets = parts["test"].group_by("ranking").agg(pl.col("targets").list.len().sum())
    assert dict(targets.rows()) == {"full": 87974, "zero_shot": 25928}
    candidates = dict(parts["candidates"].group_by("ranking").len().rows())
    assert candidates == {"full": 2461, "zero_shot": 1441, "validation": 2386}
    assert {c["verdict"] for c in check_split(interactions, parts, SNAPSHOT)} <= {"ok", "reported"}


def test_netflix_test_side_equals_the_published_counts(shared_data):
    """The train matrix is not published: one interaction of every training item stands in for it."""
    folder = shared_data / "processed/reclm-netflix"
    test = pl.read_csv(folder / "user_item_test.tsv.gz", separator="\t")
    items = pl.read_ndjson(gzip.decompress((folder / "items.jsonl.gz").read_bytes()), infer_schema_length=None)
    trained = items.filter(pl.col("train_col").is_not_null())["item_id"]
    users = test["user_id"].unique().sort()
    only = trained.filter(~trained.is_in(test["item_id"].unique().implode()))
    pairs = [
        test.select("user_id", "item_id", part=pl.lit("test")),
        pl.DataFrame({"user_id": users, "item_id": [only[k % len(only)] for k in range(len(users))], "part": "train"}),
        pl.DataFrame({"user_id": [-1] * len(trained), "item_id": trained, "part": "train"}),
    ]
    frame = pl.concat(pairs).with_columns(pl.col("user_id", "item_id").cast(pl.String)).with_row_index("row")
    blank = (pl.lit(None, INTERACTIONS[c]).alias(c) for c in ("timestamp", "rating"))
    interactions = frame.with_columns(pl.col("row").cast(pl.Int64), *blank).select(*INTERACTIONS)
    parts = snapshot.split(interactions, SNAPSHOT | {"valid": 0.01})
    asked = parts["test"].group_by("ranking").agg(pl.len(), pl.col("targets").list.len().sum())
    sizes = {ranking: (events, targets) for ranking, events, targets in asked.rows()}
    assert sizes["full"] == (16835, 1307051)
    # RecLM's own zero-shot items are fewer than those that training never sees; on its 1,979 the counts are equal
    unseen = items.filter(pl.col("train_col").is_null() & pl.col("test_col").is_not_null())
    assert unseen.height == 2181 and unseen["zero_shot_col"].count() == 1979
    names = dict(parts["vocabulary"].filter(pl.col("side") == "item").select("id", "raw").iter_rows())
    listed = set(unseen.drop_nulls("zero_shot_col")["item_id"].cast(pl.String))
    targets = parts["test"].filter(pl.col("ranking") == "zero_shot")["targets"].explode()
    assert sum(names[i] in listed for i in targets) == 157286


def test_beauty_in_the_long_tail(shared_data):
    """Popularity finds the head among uniform negatives, and nothing among those of like popularity."""
    path = shared_data / "processed/amazon2014-beauty/sequences.tsv.gz"
    interactions, _, _ = read("sequences", {"sequences": path})
    settings = {"kind": "long_tail", "negatives": 100, "seed": 0, "heads_compat": None, "bins": None,
                "remove_seen": True}  # fmt: skip
    parts = complete(long_tail.split(interactions, settings))
    found = {c["check"]: c for c in check_split(interactions, parts, settings)}
    assert {c["verdict"] for c in found.values()} <= {"ok", "reported"}
    trained = counts(parts["train"]["history"], 12101)
    hits, middle = {}, {}
    for (ranking,), events in parts["test"].join(of_events(parts["test_candidates"]), on="event").group_by("ranking"):
        own = trained[np.array(events["items"].to_list())]
        level = trained[events["targets"].list.first().to_numpy()][:, None]
        rank = 1 + (own > level).sum(1) + (own == level).sum(1) / 2
        hits[ranking], middle[ranking] = (rank <= 10).mean(), rank.mean()
    assert events.height == 22363 and own.shape == (22363, 100)
    # methods: .24 to .34 for popularity with 99 uniform negatives, on four sets
    assert 0.24 < hits["uniform"] < 0.34 and hits["matched"] < 0.05
    assert abs(middle["matched"] - 51) < 2 and middle["uniform"] < 45


def test_grocery_on_one_timeline(shared_data):
    path = shared_data / "processed/amazon2014-grocery-rechorus/train.tsv.gz"
    columns = {"user_id": "user_id", "item_id": "item_id", "timestamp": "time"}
    interactions, _, _ = read("table", {"interactions": path}, columns=columns, tie_break="shuffle")
    assert interactions.height == 121892
    settings = {"kind": "global_temporal", "cuts": ["2013-07-01", "2013-10-01"], "end": "2014-01-01", "valid": 0.1,
                "remove_seen": True}  # fmt: skip
    parts = complete(global_temporal.split(interactions, settings))
    found = {c["check"]: c for c in check_split(interactions, parts, settings)}
    assert {c["verdict"] for c in found.values()} <= {"ok", "reported"}
    # where leave-one-out trains on what is later than test targets
    last = {"kind": "leave_one_out", "remove_seen": True}
    plain = complete(leave_one_out.split(interactions, last))
    later = {c["check"]: c["value"] for c in check_split(interactions, plain, last)}
    assert later["interactions_of_train_users_after_first_test_event"] > 0.9
    assert set(parts["test"]["ranking"]) == {"window_1", "window_2"}


@pytest.mark.parametrize("name, total", [("toys", 138444), ("sports", 256598), ("beauty", 162150)])
def test_amazon2014(shared_data, name, total):
    path = shared_data / f"processed/amazon2014-{name}/sequences.tsv.gz"
    interactions, items, _ = read("sequences", {"sequences": path})
    assert describe(interactions, items)["interactions_last_11"] == total
    assert set(verdicts(interactions, items, f"amazon2014-{name}").values()) == {"equal"}
    parts = leave_one_out.split(interactions, {"kind": "leave_one_out", "remove_seen": True})
    assert parts["test"].height == interactions["user_id"].n_unique()


@pytest.mark.parametrize(
    "name, users, near", [("toys", (15529, 1941, 1942), 37), ("sports", (28478, 3559, 3561), 12),
                          ("beauty", (17890, 2236, 2237), 42)]
)  # fmt: skip
def test_preferdiff(shared_data, name, users, near):
    folder = shared_data / f"processed/preferdiff-{name}"
    paths = {part: folder / f"{part}.txt.gz" for part in ("train", "valid", "test")}
    interactions, items, _ = read("sequences", paths, user_column=False)
    parts = complete(cold_start_user.split(interactions, COLD))
    assert tuple(parts[p].height for p in ("train", "valid", "test")) == users
    assert set(verdicts(interactions, items, f"preferdiff-{name}").values()) == {"equal"}
    found = {c["check"]: c for c in check_split(interactions, parts, COLD)}
    assert found["near_duplicate_test_sequences"]["value"] == near
    # as events; as distinct sequences 4, 1 and 1
    assert found["identical_test_sequences"]["value"] == {"toys": 5, "sports": 2, "beauty": 1}[name]
    assert {c["verdict"] for c in found.values()} <= {"ok", "reported"}


@pytest.mark.parametrize(
    "name, counts, months",
    [
        ("amazon2014-clothing", (277534, 39230, 22948), ("2003-03", "2014-07")),
        ("amazon2014-books-1m", (517167, 38234, 38519), ("1997-03", "2014-07")),
        ("amazon2018-video-games", (453637, 50597, 16874), ("1999-10", "2018-10")),
        ("movielens-1m", (999611, 6040, 3416), ("2000-04", "2003-02")),
        ("steam-100k", (126824, 10369, 3593), ("2010-10", "2018-01")),
    ],
)
def test_sequences_with_titles_and_times(shared_data, name, counts, months):
    folder = shared_data / f"processed/{name}-seqrec"
    path = folder / "sequences.tsv.gz"
    interactions, items, _ = read("sequences", {"sequences": path, "times": path, "items": folder / "items.jsonl.gz"})
    assert (interactions.height, interactions["user_id"].n_unique(), items.height) == counts
    assert interactions["timestamp"].null_count() == 0 and (items["title"].str.len_chars() > 0).all()
    ends = [interactions["timestamp"].min(), interactions["timestamp"].max()]
    assert tuple(f"{datetime.fromtimestamp(second, UTC):%Y-%m}" for second in ends) == months


@pytest.mark.parametrize(
    "name, titles, known, tied", [("toys", 11865, 165247, 0.46), ("sports", None, 293400, 0.46), ("beauty", 12094, 198215, 0.46)]
)  # fmt: skip
def test_amazon2014_has_times_and_cold_start_users_have_texts_and_times_by_maps(shared_data, name, titles, known, tied):
    whole, cold = (shared_data / f"processed/{kind}-{name}" for kind in ("amazon2014", "preferdiff"))
    texts = {"items": whole / "items.jsonl.gz", "times": whole / "timestamps.tsv.gz"}
    columns = {} if titles else {"title": "keywords"}
    interactions, items, _ = read("sequences", {"sequences": whole / "sequences.tsv.gz", **texts}, item_columns=columns)
    assert interactions["timestamp"].count() == known
    assert items["title"].count() == (titles or 18332)
    parts = {part: cold / f"{part}.txt.gz" for part in ("train", "valid", "test")}
    maps = {kind: cold / f"{kind}.tsv.gz" for kind in ("user_map", "item_map")}
    found, cards, _ = read("sequences", {**parts, **texts, **maps}, user_column=False, item_columns=columns)
    assert (cards["card"] != "").mean() > 0.99
    # the split is the last 11 items of the same users, told by the same times
    last = interactions.group_by("user_id", maintain_order=True).agg(pl.col("timestamp").tail(11))
    theirs = found.group_by("user_id", maintain_order=True).agg("timestamp")
    assert last.sort("user_id").equals(theirs.sort("user_id"))
    groups = cold_start_user.split(found, COLD)["groups"].filter(pl.col("group").is_in(["tied", "untied"]))
    assert abs((groups["group"] == "tied").mean() - tied) < 0.04


def test_movielens_with_supplied_profiles_has_the_publishers_three_parts(shared_data):
    folder = shared_data / "processed/ml-1m-agent4rec"
    paths = {"parts": folder / "splits.tsv.gz", "items": folder / "items.jsonl.gz"}
    interactions, items, _ = read("sequences", paths, item_columns={"categories": "genres"})
    assert (interactions.height, interactions["user_id"].n_unique(), items.height) == (185249, 1000, 3292)
    assert interactions["part"].value_counts().sort("part")["count"].to_list() == [55492, 74271, 55486]
    parts = complete(snapshot.split(interactions, SNAPSHOT))
    assert counts(parts["train"]["history"], items.height).sum() == 74271
    assert counts(parts["valid"]["targets"], items.height).sum() <= 55486


def test_goodreads_has_the_known_counts(shared_data):
    folder = shared_data / "processed/goodreads-once"
    paths = {"sequences": folder / "sequences.tsv.gz", "items": folder / "items.jsonl.gz"}
    interactions, items, notes = read("sequences", paths)
    assert (interactions.height, interactions["user_id"].n_unique(), items.height) == (143878, 18427, 14944)
    assert items.height + notes["texts_of_unknown_items"] == 16833


def test_raw_files_give_the_known_counts(shared_data):
    raw = shared_data / "raw"
    core = {"user_core": 5, "item_core": 5, "duplicates": "first"}

    def size(source, paths, **settings):
        interactions, items, counts = read(source, paths, **settings)
        return (interactions.height, interactions["user_id"].n_unique(), items.height), counts

    magazines = {"reviews": raw / "amazon2018/Magazine_Subscriptions_5.json.gz"}
    texts = {"metadata": raw / "amazon2018/meta_Magazine_Subscriptions.json.gz"}
    assert size("amazon", magazines, **core)[0] == (2027, 294, 132)
    counts = size("amazon", magazines | texts)[1]
    assert (counts["duplicate_item_rows"], counts["unusable_titles"], counts["items_without_card"]) == (1065, 148, 6)
    movies = {
        "ratings": [raw / f"netflix/combined_data_{n}.txt.gz" for n in (1, 2, 3)],
        "titles": raw / "netflix/movie_titles.csv",
    }
    assert size("netflix", movies)[0] == (185923, 76388, 514)
    assert size("netflix", movies, **core)[0] == (82918, 7682, 514)
    news = {name: raw / f"mind/MINDsmall_train_sample/{name}.tsv.gz" for name in ("behaviors", "news")}
    assert size("mind", news, duplicates="first")[0] == (117220, 3731, 16290)
    assert size("mind", news, **core)[0] == (96654, 3256, 5099)
    assert size("mind", news, history=False)[0][0] == 6051
    businesses = raw / "yelp/yelp_academic_dataset_business.json.gz"
    reviews = raw / "yelp/yelp_academic_dataset_review.json.gz"
    found, counts = size("yelp", {"reviews": reviews, "businesses": businesses})
    assert (found, found[2] - counts["items_without_card"]) == ((999, 993, 822), 63)
    # a sample of other businesses
    reviews = raw / "yelp/reviews_only_b/yelp_academic_dataset_review.json.gz"
    with pytest.raises(InputError, match="none of the 1881 items of the interactions .* has a text among the 1000"):
        size("yelp", {"reviews": reviews, "businesses": businesses})


@pytest.mark.parametrize(
    "source, folder, files, settings",
    [
        ("amazon", "amazon2014", {"reviews": "reviews_*.json.gz", "metadata": "meta_*.json.gz"}, {"release": "2014"}),
        ("amazon", "amazon2014", {"ratings": "ratings_*.csv*"}, {"release": "2014"}),
        ("amazon", "amazon2018", {"ratings": "*.csv*"}, {"release": "2018"}),
        ("amazon", "amazon2023", {"reviews": "[!m]*.jsonl*", "metadata": "meta_*.jsonl*"}, {"release": "2023"}),
        ("amazon", "amazon2023", {"ratings": "*.csv*"}, {"release": "2023"}),
        ("recbole", "recbole", {"inter": "*.inter*"}, {"columns": {}}),
    ],
)
def test_a_publishers_file_has_no_malformed_line(shared_data, source, folder, files, settings):
    paths = {name: next((shared_data / "raw" / folder).glob(pattern), None) for name, pattern in files.items()}
    for name, path in paths.items():
        if path is None:
            pytest.skip(
                f"no file of {name} of {source} {settings.get('release', '')}; put one at raw/{folder}/{files[name]}"
            )
    interactions, items, counts = read(source, paths, **settings)
    assert interactions.height and not counts["malformed_lines"]
    if "metadata" in paths:
        assert counts["items_without_card"] < items.height / 2


def job(script, spec, inputs, outputs, folder):
    """Run a job as the workflow does; return its exit status and what it said."""
    command = [sys.executable, "-m", f"workflow_scripts.{script}", "--spec", json.dumps(spec)]
    for name, path in inputs.items():
        command += ["--input", name, str(path)]
    for name in outputs:
        command += ["--output", name, str(folder / outputs[name])]
    paths = str(REPOSITORY)
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths, "POLARS_MAX_THREADS": "1"}
    )
    return done.returncode, done.stdout + done.stderr


FILTERS = {"user_core": 0, "item_core": 0, "core": "iterative", "duplicates": "keep", "min_rating": None, "start": None, "end": None,
           "tie_break": "file", "tie_seed": 0, "max_bad_rows": 0}  # fmt: skip
TABLES = ("vocabulary", "train", "histories", "valid", "valid_candidates", "test", "test_candidates", "groups")
SPLIT = {name: f"{name}.parquet" for name in TABLES} | {"leakage": "leakage.json"}
DATA = {"interactions": "interactions.parquet", "items": "items.parquet"}


def test_jobs_from_raw_file_to_split_and_statistics(tmp_path):
    sequences = put(
        tmp_path / "s.txt",
        "".join(f"u{u} " + " ".join(str((u * 7 + n) % 30) for n in range(6)) + "\n" for u in range(20)),
    )
    spec = {"source": "sequences", "user_column": True, **FILTERS}
    assert job("interactions", spec, {"sequences": sequences}, DATA, tmp_path)[0] == 0
    notes = read_json(tmp_path / "interactions.parquet.provenance.json")["notes"]
    assert notes["interactions_read"] == 120 and notes["items_without_card"] == 30
    tables = {name: tmp_path / file for name, file in DATA.items()}
    status, said = job(
        "split",
        {"kind": "leave_one_out", "remove_seen": True},
        {"interactions": tables["interactions"]},
        SPLIT,
        tmp_path,
    )
    assert status == 0, said
    assert (
        read_table(tmp_path / "train.parquet", TRAIN).height
        == read_table(tmp_path / "test.parquet", EVENTS).height
        == 20
    )
    assert {c["verdict"] for c in read_json(tmp_path / "leakage.json")} <= {"ok", "reported"}
    write_json({"notes": {"users_before_draw": 50}}, tmp_path / "drawn.json")
    status, said = job(
        "describe", {"dataset": "d", "published": None},
        {**tables, "published": PUBLISHED, "record": tmp_path / "drawn.json"},
        {"statistics": "statistics.csv", "drawing": "drawing.svg"}, tmp_path,
    )  # fmt: skip
    assert status == 0, said
    counts = dict(pl.read_csv(tmp_path / "statistics.csv").select("statistic", "value").iter_rows())
    assert (counts["users"], counts["users_before_draw"]) == (20, 50)


def test_a_job_that_fails_says_one_line_and_leaves_nothing(tmp_path):
    sequences = put(tmp_path / "s.txt.gz", "u 1 2 3\n" * 2)
    spec = {"source": "sequences", "user_column": True, **FILTERS}
    status, said = job("interactions", spec, {"sequences": sequences}, DATA, tmp_path)
    assert status == 1 and said.strip().splitlines() == [
        f"error: {sequences}: line 2: user 'u' has a line already; expected one line a user"
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["s.txt.gz"]
