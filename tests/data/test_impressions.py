"""What was shown: the reader, the ranking of impressions, its checks, and the chain from MIND's files to metrics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ptebench.config.read import resolve
from ptebench.data.leakage import check_split
from ptebench.data.protocols import snapshot
from ptebench.data.simulate import write
from ptebench.data.sources import mind
from ptebench.data.splits import complete, of_events
from ptebench.files import IMPRESSIONS, OWN_CANDIDATES, InputError, check
from tests.conftest import REPOSITORY
from tests.data.readers import DEFAULTS, put, read
from tests.data.test_simulate import SETTINGS

PROTOCOL = {"kind": "snapshot", "cut": "2019-11-12", "end": "2019-11-13", "valid": 0.2, "seed": 0, "impressions": True}
BEHAVIORS = (
    "1\tU1\t11/11/2019 5:53:12 AM\tN5 N2\tN1-1 N2-0\n"
    "2\tU2\t11/11/2019 11:59:59 PM\t\tN1-1 N9-1\n"
    "11\tU1\t11/11/2019 11:59:59 PM\tN5 N2\tN6-1 N2-0\n"
    # the next day begins: N3 and N7 clicked, N4 and the item of the history N5 shown
    "3\tU1\t11/12/2019 12:00:00 AM\tN5 N2\tN3-1 N4-0 N7-1 N5-0\n"
    # of a click on an item of the history nothing is asked, and it is no negative: N1
    "4\tU2\t11/12/2019 9:00:00 AM\t\tN1-1 N3-1 N8-0\n"
    "5\tU2\t11/12/2019 9:00:01 AM\t\tN1-1 N8-0\n"  # nothing else clicked
    "6\tU2\t11/12/2019 9:00:02 AM\t\tN8-0 N4-0\n"  # nothing clicked
    "7\tU2\t11/12/2019 9:00:03 AM\t\tN7-1\n"  # nothing left
    "8\tU2\t11/12/2019 9:00:04 AM\t\tN4-1 N9-0\n"  # nothing left that is new to the user
    "9\tU3\t11/12/2019 9:00:05 AM\t\tN3-1 N8-0\n"  # no history
    "10\tU1\t11/13/2019 12:00:00 AM\tN5 N2\tN8-1 N4-0\n"  # a day too late
)


def files(folder, behaviors=BEHAVIORS):
    return {
        "behaviors": [put(folder / "behaviors.tsv", behaviors)],
        "news": [put(folder / "news.tsv", "N3\ta\tb\tT\t\t\t\t\n")],
    }


def loaded(folder, **settings):
    impressions = mind.read(files(folder), DEFAULTS | {"impressions": True}).impressions
    return read("mind", files(folder), **settings)[0], impressions


def test_the_reader_keeps_what_was_shown_and_clicked(tmp_path):
    _, impressions = loaded(tmp_path)
    check(impressions, IMPRESSIONS, "impressions")
    assert impressions.height == 11
    assert impressions.row(3) == ("U1", 1573516800, ["N3", "N4", "N7", "N5"], ["N3", "N7"])
    assert impressions.row(6)[2:] == (["N8", "N4"], [])
    assert mind.read(files(tmp_path), DEFAULTS).impressions is None


def test_one_event_an_impression_with_something_clicked_and_something_not(tmp_path):
    interactions, impressions = loaded(tmp_path)
    parts = complete(snapshot.split(interactions, PROTOCOL, impressions))
    names = {
        s: dict(parts["vocabulary"].filter(pl.col("side") == s).select("id", "raw").rows()) for s in ("user", "item")
    }
    check(parts["test_candidates"], OWN_CANDIDATES, "candidates")
    asked = (
        parts["test"].filter(pl.col("ranking") == "impression").join(of_events(parts["test_candidates"]), on="event")
    )
    found = [
        (names["user"][r["user"]], *([names["item"][i] for i in r[c]] for c in ("history", "targets", "items")))
        for r in asked.to_dicts()
    ]
    assert found == [
        ("U1", ["N5", "N2", "N1", "N6"], ["N3", "N7"], ["N4", "N5"]),
        ("U2", ["N1", "N9"], ["N3"], ["N8"]),
    ]
    # the rankings beside it are those without impressions
    plain = complete(snapshot.split(interactions, PROTOCOL))
    of_plain = dict(plain["vocabulary"].filter(pl.col("side") == "item").select("id", "raw").rows())
    for ranking in ("full", "zero_shot"):
        one, two = (p["test"].filter(pl.col("ranking") == ranking) for p in (parts, plain))
        for column in ("history", "targets"):
            assert [[names["item"][i] for i in x] for x in one[column]] == [
                [of_plain[i] for i in x] for x in two[column]
            ]
        shared = of_events(parts["test_candidates"]).join(one, on="event")["items"]
        wanted = plain["test_candidates"].filter(pl.col("ranking") == ranking)["item"]
        assert all({names["item"][i] for i in x} == {of_plain[i] for i in wanted} for x in shared)
    found = check_split(interactions, parts, PROTOCOL)
    assert {c["verdict"] for c in found} <= {"ok", "reported"}
    assert len(found) == len(check_split(interactions, plain, PROTOCOL)) + 3


def test_what_the_test_day_alone_shows_is_in_no_file_of_training(tmp_path):
    """N8 and N4 are shown, and N3 clicked, on the test day alone."""
    interactions, impressions = loaded(tmp_path)
    parts = complete(snapshot.split(interactions, PROTOCOL, impressions))
    words = parts["vocabulary"].filter((pl.col("side") == "item") & pl.col("raw").is_in(["N3", "N4", "N8"]))
    late = set(words["id"])
    assert len(late) == 3
    for name in ("train", "valid", "histories", "valid_candidates"):
        for column, kind in parts[name].schema.items():
            if column in ("history", "targets", "item"):
                values = parts[name][column]
                assert not late & set(values.explode() if kind == pl.List(pl.Int32) else values), name
    assert late <= set(parts["test_candidates"]["items"].explode())


def unclicked(parts):
    """A target that the user never clicked."""
    item = parts["vocabulary"].filter(pl.col("raw") == "N8")["id"].item()
    targets = (
        pl.when(pl.col("ranking") == "impression").then(pl.concat_list(pl.lit(item, pl.Int32))).otherwise("targets")
    )
    return parts | {"test": parts["test"].with_columns(targets=targets)}


def own_target(parts):
    """A target among the negatives."""
    target = parts["test"].row(-1, named=True)["targets"]
    last = pl.int_range(pl.len()) == pl.len() - 1
    return parts | {
        "test_candidates": parts["test_candidates"].with_columns(
            items=pl.when(last).then(pl.lit(pl.Series([target], dtype=pl.List(pl.Int32))).first()).otherwise("items")
        )
    }


@pytest.mark.parametrize(
    "check_, plant",
    [("impression_targets_not_clicked", unclicked), ("impressions_with_targets_as_negatives", own_target)],
)
def test_planted_leaks_are_found(tmp_path, check_, plant):
    interactions, impressions = loaded(tmp_path)
    parts = complete(snapshot.split(interactions, PROTOCOL, impressions))
    found = {c["check"]: c["verdict"] for c in check_split(interactions, plant(parts), PROTOCOL)}
    assert found[check_] == "leak"


def test_periods_without_an_event(tmp_path):
    interactions, impressions = loaded(tmp_path)
    with pytest.raises(InputError, match="no impression of the test period can be asked; move the cut"):
        snapshot.split(interactions, PROTOCOL, impressions.filter(pl.col("user_id") == "U3"))


CONFIG = {
    "datasets": {"news": {"source": "simulated", "layout": "mind"}},
    "protocols": {"day": {"kind": "snapshot", "cut": "2024-01-16", "impressions": True}},
    "backbones": {"popularity": {}},
    "representations": {"id": {}},
    "tables": {
        "t": {
            "title": "T",
            "datasets": ["news"],
            "protocols": ["day"],
            "rows": [{"backbones": ["popularity"]}],
            "metrics": ["MRR@10"],
        }
    },
}


@pytest.mark.parametrize(
    "section, entry, message",
    [
        ("datasets", {"news": {"source": "simulated", "layout": "mind"}}, "day ranks impressions, and news has none"),
        ("datasets", {"news": {"source": "simulated", "layout": "amazon", "impressions": True}}, "only 'mind' has"),
        (
            "datasets",
            {
                "news": {
                    "source": "mind",
                    "behaviors": ["b.tsv"],
                    "news": ["n.tsv"],
                    "impressions": True,
                    "item_core": 5,
                }
            },
            "item_core drops",
        ),
        ("protocols", {"day": {"kind": "snapshot", "impressions": True}}, "impressions need 'cut'"),
    ],
)
def test_settings_that_do_not_go_together(section, entry, message):
    with pytest.raises(InputError, match=message):
        resolve(json.loads(json.dumps({**CONFIG, section: entry})), "c.yaml")


def job(script, spec, inputs, outputs):
    command = [sys.executable, "-m", f"workflow_scripts.{script}", "--spec", json.dumps(spec)]
    for name, paths in inputs.items():
        command += ["--input", name, *map(str, paths if isinstance(paths, list) else [paths])]
    for name, path in outputs.items():
        command += ["--output", name, str(path)]
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(Path(f"{next(iter(outputs.values()))}.provenance.json").read_text())


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Run simulated MIND files through all jobs to the metrics of the popularity counter."""
    at = tmp_path_factory.mktemp("chain")
    raw = {"behaviors": at / "behaviors.tsv", "news": at / "news.tsv"}
    write({**SETTINGS, "layout": "mind"}, raw | {"truth": at / "truth.npz"})
    spec = DEFAULTS | {"source": "mind", "impressions": True}
    data = {"interactions": at / "interactions.parquet", "items": at / "items.parquet"}
    job("interactions", spec, raw, data)
    job("impressions", spec, raw | {"interactions": data["interactions"]}, {"impressions": at / "impressions.parquet"})
    names = ("vocabulary", "train", "histories", "valid", "valid_candidates", "test", "test_candidates", "groups")
    parts = {n: at / f"{n}.parquet" for n in names}
    protocol = {**PROTOCOL, "cut": "2024-01-16", "end": None}
    shown = {"interactions": data["interactions"], "impressions": at / "impressions.parquet"}
    job("split", protocol, shown, parts | {"leakage": at / "leakage.json"})
    cell = {"backbone": {"kind": "popularity"}, "representation": {"kind": "id"}, "remove_seen": True, "seed": 0}
    known = {n: parts[n] for n in ("train", "vocabulary")}
    job(
        "train", cell, known | {"valid": parts["valid"], "candidates": parts["valid_candidates"]},
        {"model": at / "model.safetensors", "curve": at / "training.csv"},
    )  # fmt: skip
    job(
        "rank", cell, known | {"model": at / "model.safetensors", "test": parts["test"], "candidates": parts["test_candidates"]},
        {"ranks": at / "ranks.parquet"},
    )  # fmt: skip
    place = {"dataset": "d", "protocol": "p", "backbone": "popularity", "representation": "id", "seed": 0, "text": None}
    files = {"ranks": at / "ranks.parquet", "records": at / "model.safetensors.provenance.json"}
    spec = {"cells": [place], "ks": [1, 5, 10]}
    job("metrics", spec, files | {"groups": parts["groups"]}, {"metrics": at / "metrics.csv"})
    return at


def test_popularity_ranks_impressions_as_a_loop_does(chain):
    ranks = pl.read_parquet(chain / "ranks.parquet").filter(pl.col("ranking") == "impression")
    words = pl.read_parquet(chain / "vocabulary.parquet")
    users, items = (dict(words.filter(pl.col("side") == s).select("raw", "id").rows()) for s in ("user", "item"))
    train = pl.read_parquet(chain / "train.parquet")
    count = np.bincount(train["history"].explode(), minlength=len(items) + 1)
    interactions = pl.read_parquet(chain / "interactions.parquet")
    cut = 1705363200  # 2024-01-16
    seen = {}
    for user, item, time in interactions.select("user_id", "item_id", "timestamp").iter_rows():
        if time < cut:
            seen.setdefault(user, set()).add(item)
    wanted = []
    for user, time, shown, clicked in pl.read_parquet(chain / "impressions.parquet").iter_rows():
        if time < cut or user not in seen:
            continue
        asked, others = [i for i in clicked if i not in seen[user]], {*shown} - {*clicked} - seen[user]
        for item in asked if others else []:
            score, pool = count[items[item]], [count[items[i]] for i in {*others, *asked}]
            rank = 1 + sum(s > score for s in pool) + (sum(s == score for s in pool) - 1) / 2
            wanted.append((users[user], items[item], rank, len(pool)))
    assert len(wanted) > 500
    assert sorted(ranks.select("user", "target", "rank", "candidates").rows()) == sorted(wanted)
    metrics = pl.read_csv(chain / "metrics.csv").filter(
        (pl.col("ranking") == "impression") & (pl.col("group") == "overall")
    )
    value = metrics.filter((pl.col("metric") == "MRR") & (pl.col("k") == 10))["value"].item()
    assert value == pytest.approx(np.mean([1 / r for _, _, r, _ in wanted]))  # one click an impression here


def test_what_nobody_clicked_is_an_item_too(chain):
    shown = set(pl.read_parquet(chain / "impressions.parquet")["shown"].explode())
    items = set(pl.read_parquet(chain / "items.parquet")["item_id"])
    clicked = set(pl.read_parquet(chain / "interactions.parquet")["item_id"])
    assert shown | clicked == items
    words = pl.read_parquet(chain / "vocabulary.parquet").filter(pl.col("side") == "item")
    assert set(words["raw"]) == items
    leakage = {c["check"]: c for c in json.loads((chain / "leakage.json").read_text())}
    assert leakage["impression_targets_not_clicked"]["verdict"] == "ok"


def test_days_of_mind(shared_data):
    """A day trains, the next one tests, by the times of the publisher's file."""
    folder = shared_data / "raw/mind/MINDsmall_train_sample"
    paths = {"behaviors": [folder / "behaviors.tsv.gz"], "news": [folder / "news.tsv.gz"]}
    impressions = mind.read(paths, DEFAULTS | {"impressions": True}).impressions
    interactions, _, _ = read("mind", paths, history=False)
    days = interactions.select(pl.from_epoch("timestamp").dt.date().cast(pl.String)).to_series().unique().sort()
    assert days.to_list() == [f"2019-11-{d:02}" for d in range(9, 15)]
    protocol = PROTOCOL | {"cut": "2019-11-13", "end": "2019-11-14"}
    parts = complete(snapshot.split(interactions, protocol, impressions))
    sizes = dict(parts["test"].group_by("ranking").len().rows())
    day = interactions.filter(pl.col("timestamp").is_between(1573603200, 1573689600, closed="left"))
    before = interactions.filter(pl.col("timestamp") < 1573603200)
    both = set(day["user_id"]) & set(before["user_id"])
    assert 0 < sizes["full"] <= len(both) and 0 < sizes["impression"] <= impressions.height
    assert {c["verdict"] for c in check_split(interactions, parts, protocol)} <= {"ok", "reported"}
