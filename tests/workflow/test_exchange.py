"""In and out: lists from elsewhere become a row of a table, and a changed file makes that row alone anew."""

import json
import re
import shutil
from collections import Counter

import polars as pl
import pytest
import yaml

from ptebench.errors import InputError
from ptebench.results import KEY, load
from tests.workflow.conftest import ROOT, SKIP, planned, snakemake

PURCHASES = [(f"u{u}", f"i{(u * 7 + k * k) % 20:02}", f"2020-01-{1 + 3 * k:02}") for u in range(30) for k in range(6)]
CONFIG = {
    "data_root": ".", "lists": 5,
    "datasets": {
        "mine": {
            "source": "table", "interactions": "purchases.csv",
            "columns": {"user_id": "user", "item_id": "item", "timestamp": "day"},
        }
    },
    "protocols": {"leave_one_out": {}},
    "backbones": {"popularity": {}, "theirs": {"kind": "external", "file": "{dataset}.{protocol}.tsv"}},
    "representations": {"id": {}},
    "tables": {
        "one": {
            "title": "Ours and theirs", "datasets": ["mine"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": ["popularity", "theirs"]}], "metrics": ["NDCG@10", "HR@5"],
        }
    },
}  # fmt: skip
LISTS = "mine.leave_one_out.tsv"


def write_lists(folder, most=20):
    """Write the lists of a popularity that somebody else counted: of all items, or of the first."""
    known = Counter(item for at, (_, item, _) in enumerate(PURCHASES) if at % 6 < 4)
    rows = [(f"u{u}", f"i{i:02}", known[f"i{i:02}"]) for u in range(30) for i in range(20)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "score"], orient="row")
    frame = frame.sort("user_id", "score", descending=[False, True], maintain_order=True).group_by("user_id").head(most)
    frame.write_csv(folder / LISTS, separator="\t")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a checkout with purchases, lists and a finished run of their configuration."""
    folder = tmp_path_factory.mktemp("exchange") / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "purchases.csv").write_text("\n".join(["user,item,day", *map(",".join, PURCHASES)]) + "\n")
    write_lists(folder)
    done = snakemake(folder, stub=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_lists_from_elsewhere_are_a_row_like_any_other(run):
    table = pl.read_csv(run / "results/tables/one.csv")
    ours, theirs = (
        table.filter(backbone=name).select("metric", "mean", "low", "high") for name in ("popularity", "theirs")
    )
    assert theirs.equals(ours) and ours["mean"].min() > 0
    pair = pl.read_csv(run / "results/tables/one.comparisons.csv").filter(other_backbone="theirs")
    assert pair["difference"].to_list() == [0.0, 0.0] and pair["p"].to_list() == [1.0, 1.0]
    assert LISTS in (run / "results/cells/mine/leave_one_out/theirs/id/seed=0/provenance.json").read_text()


def test_results_are_data_frames_with_raw_ids(run):
    results = load(run / "results")
    assert results.cells.select(*KEY).rows() == [
        ("mine", "leave_one_out", name, "id", 0) for name in ("popularity", "theirs")
    ]
    assert list(results.tables) == list(results.comparisons) == ["one"]
    assert set(results.metrics["k"].unique()) == {1, 5, 10, 20, 50}
    assert results.metrics.filter(backbone="theirs")["k"].max() == 10
    ranks = results.ranks(backbone="theirs")
    assert set(ranks["user_id"]) == {f"u{u}" for u in range(30)}
    last = {user: item for user, item, _ in PURCHASES}
    assert dict(ranks.select("user_id", "item_id").iter_rows()) == last
    lists = results.lists(backbone="popularity", seed=0)
    assert lists.height == 30 * 5 and lists["rank"].to_list() == [1, 2, 3, 4, 5] * 30
    found = lists.join(ranks, on=["user_id", "item_id"]).height  # without ties, the share of targets within the lists
    hits = results.tables["one"].filter(metric="HR", backbone="popularity")["mean"][0] * 30
    assert abs(found - hits) <= ranks["rank"].is_between(1, 12).sum()
    with pytest.raises(InputError, match="backbon: no part of a cell's name"):
        results.ranks(backbon="theirs")
    with pytest.raises(
        InputError, match=r"^backbone: no cell has 'theris'; did you mean 'theirs'\? there are popularity, theirs$"
    ):
        results.ranks(backbone="theris")
    with pytest.raises(InputError, match="^seed: no cell has 7; there are 0$"):
        results.ranks(seed=7)
    with pytest.raises(InputError, match="data/yours/items.parquet: no such file; there are texts of mine$"):
        results.texts("yours")
    with pytest.raises(InputError, match="no results of a run"):
        load(run / "docs")


def test_the_guide_names_the_columns_of_every_frame(run):
    results, page = load(run / "results"), (ROOT / "docs/guide/exchange.md").read_text()
    frames = {
        "tables[...]": results.tables["one"], "comparisons[...]": results.comparisons["one"], "metrics": results.metrics,
        "cells": results.cells, "ranks()": results.ranks(), "lists()": results.lists(),
    }  # fmt: skip
    places = {"cell": KEY, "panel": ("dataset", "protocol", "ranking", "group")}
    rows = re.findall(r"^\| `([a-z]+(?:\[\.\.\.\]|\(\))?)` \| (.*?) \| (.*) \|$", page, re.M)
    assert [name for name, *_ in rows] == list(frames)
    for name, of, columns in rows:
        own = {column for names in re.findall(r"`([^`]+)`", columns) for column in names.split(", ")}
        assert own.union(*(parts for place, parts in places.items() if place in of)) == {*frames[name].columns}, name


def test_the_notebook_runs_from_top_to_bottom(run, tmp_path, monkeypatch):
    cells = json.loads((ROOT / "docs/guide/results.ipynb").read_text())["cells"]
    (tmp_path / "results").symlink_to(run / "results")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert pl.read_csv("lists.csv").columns == ["user_id", "event", "item_id", "rank", "score"]


def test_the_report_and_the_crate_are_made_and_leave_no_lease(run):
    done = snakemake(run, "report", "crate", stub=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for name in ("report/index.html", "crate/ro-crate-metadata.json"):
        assert (run / "results" / name).is_file() and not list((run / "results" / name).parent.glob(".*"))
    page = (run / "results/report/cells/mine/leave_one_out/theirs/id.html").read_text()
    assert "external" in page and "parameters" not in page  # no row of the table trains any


def test_what_was_made_of_other_lists_or_settings_is_not_taken_where_no_job_can_make_it(run):
    config, lists = run / "config.yaml", run / LISTS
    text = config.read_text()
    config.write_text(text.replace("{dataset}.{protocol}.tsv", "{dataset}-{protocol}.tsv"))
    for arguments in ((), ("--dry-run",)):
        done = snakemake(run, *arguments)
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "Nothing" not in said and "taken as it is" not in said, said
        assert "mine-leave_one_out.tsv: no such file" in said
        assert f"), and it was made from {LISTS}; correct the name" in said, said
    config.write_text(text)
    lists.rename(aside := run / "aside.tsv")
    done = snakemake(run)
    assert done.returncode == 0 and "taken as it is" in done.stdout + done.stderr, done.stderr[-3000:]
    config.write_text(text.replace("kind: external", "kind: external\n    missing: last"))
    done = snakemake(run)
    assert done.returncode == 1 and "backbone.missing " in done.stdout + done.stderr, done.stdout + done.stderr
    config.write_text(text)
    aside.rename(lists)


def test_a_changed_file_makes_its_row_anew_and_a_short_one_fails_it_alone(run):
    assert planned(run) == {}
    write_lists(run, 15)
    assert planned(run) == {"train": 1, "rank": 1, "recommend": 1, "metrics": 1, "table": 1}
    write_lists(run, 8)
    done = snakemake(run, stub=False)
    assert done.returncode != 0 and "popularity" in (run / "results/tables/one.md").read_text()
    assert "mine.leave_one_out.tsv: event 0 of user" in (run / "results/tables/one.md").read_text()
    (run / LISTS).unlink()
    done = snakemake(run, "--dry-run")
    assert f"{LISTS}: no such file; put the lists of theirs there" in done.stderr + done.stdout
