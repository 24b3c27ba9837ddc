"""Tables 3 and 4 of the study: every published value has its place in configs/paper.yaml, and the jobs fill it."""

import shutil

import polars as pl
import pytest
import yaml

from ptebench.config.cells import BACKBONES
from ptebench.config.read import read
from ptebench.report import tables
from tests.data.study_files import CONFIG, write_all
from tests.workflow.conftest import ROOT, SKIP, snakemake

LOSSLESS = "its code lacks the loss that defines the method"
SMALL = {"dimension": 16, "epochs": 1, "device": "cpu"}
OVER = {"seeds": [0], "backbones": {"sasrec": SMALL, "dreamrec": SMALL}}


@pytest.mark.parametrize("name, number", [("table3", 3), ("table4", 4)])
def test_every_published_value_has_a_place_and_every_place_its_value(name, number):
    config = read([CONFIG], {})
    table, values = (
        config["tables"][name],
        tables.read_published(ROOT / "ptebench/report/published.csv"),
    )
    methods = [(b, r) for rows in table["rows"] for b in rows["backbones"] for r in rows["representations"]]
    assert [b for b, _ in methods[:3]] == ["popularity", "markov", "itemknn"], "floors in front"
    shown = {
        (config["datasets"][d]["published"], config["protocols"][p]["kind"], b, r, ranking, group, *metric.split("@"))
        for d in table["datasets"]
        for p in table["protocols"]
        for b, r in methods
        for ranking in table["rankings"]
        for group in table["groups"]
        for metric in (m.replace("HR", "Recall") for m in table["metrics"])
        if not BACKBONES[config["backbones"][b]["kind"]].counter
    }
    keys = {config["datasets"][d]["published"] for d in table["datasets"]}
    printed = values.filter(pl.col("source").str.starts_with(f"PtE Table {number}"), pl.col("dataset").is_in(keys))
    columns = ["dataset", "protocol", "backbone", "representation", "ranking", "group", "metric"]
    assert {(*row[:-1], str(row[-1])) for row in printed.select(*columns, "k").rows()} == shown
    # beside which protocol a value stands, where the seen items matter
    removed = {config["protocols"][p]["remove_seen"] for p in table["protocols"]}
    assert set(printed["remove_seen"].drop_nulls()) <= removed


def test_small_tables_of_the_study_from_files_in_the_publishers_schemas(tmp_path):
    """One dataset of each table and one method of each block, one epoch, with the published values beside."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    write_all(folder / "data")
    (folder / "over.yaml").write_text(yaml.safe_dump(OVER))
    made = [f"results/tables/{name}" for name in ("table3.csv", "table4.csv", "references.md")]
    chosen = ["datasets=[toys,fashion]", "backbones=[sasrec,dreamrec]", "representations=[llmesr]"]
    done = snakemake(
        folder, *made, "--configfile", "configs/paper.yaml", "over.yaml", "--config", "data_root=data", *chosen,
        stub=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    third, fourth = (pl.read_csv(folder / path) for path in made[:2])
    assert third.height == 2 * 4 and fourth.height == 5 * 2
    for table in (third, fourth):
        assert table["published"].null_count() == 0 and table["mean"].is_between(0, 1).all()
    lossless = third.filter(pl.col("source").str.contains(LOSSLESS))
    assert set(lossless.select("backbone", "representation").rows()) == {("dreamrec", "llmesr")}
    text = (folder / made[2]).read_text()
    assert "18 values with a published one beside" in text
    assert "| fashion | long_tail, uniform, item_tail_compat | sasrec | llmesr | HR@10 |" in text
