"""In and out: lists from elsewhere become a row of a table, and a changed file makes that row alone anew."""

import shutil
from collections import Counter

import polars as pl
import pytest
import yaml

from tests.workflow.conftest import ROOT, SKIP, planned, snakemake

PURCHASES = [(f"u{u}", f"i{(u * 7 + k * k) % 20:02}", f"2020-01-{1 + 3 * k:02}") for u in range(30) for k in range(6)]
CONFIG = {
    "data_root": ".",
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


@pytest.fixture
def folder(tmp_path):
    """Return a checkout with purchases, lists and their configuration."""
    shutil.copytree(ROOT, tmp_path / "checkout", symlinks=True, ignore=SKIP)
    folder = tmp_path / "checkout"
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "purchases.csv").write_text("\n".join(["user,item,day", *map(",".join, PURCHASES)]) + "\n")
    write_lists(folder)
    return folder


def test_lists_from_elsewhere_are_a_row_like_any_other(folder):
    done = snakemake(folder, stub=False)
    assert done.returncode == 0, done.stderr[-3000:]
    table = pl.read_csv(folder / "results/tables/one.csv")
    ours, theirs = (
        table.filter(backbone=name).select("metric", "mean", "low", "high") for name in ("popularity", "theirs")
    )
    assert theirs.equals(ours) and ours["mean"].min() > 0
    pair = pl.read_csv(folder / "results/tables/one.comparisons.csv").filter(other_backbone="theirs")
    assert pair["difference"].to_list() == [0.0, 0.0] and pair["p"].to_list() == [1.0, 1.0]
    assert LISTS in (folder / "results/cells/mine/leave_one_out/theirs/id/seed=0/provenance.json").read_text()
    assert planned(folder) == {}
    write_lists(folder, 15)
    assert planned(folder) == {"train": 1, "rank": 1, "metrics": 1, "table": 1}
    write_lists(folder, 8)
    done = snakemake(folder, stub=False)
    assert done.returncode != 0 and "popularity" in (folder / "results/tables/one.md").read_text()
    assert "mine.leave_one_out.tsv: event 0 of user" in (folder / "results/tables/one.md").read_text()
    (folder / LISTS).unlink()
    done = snakemake(folder, "--dry-run")
    assert f"{LISTS}: no such file; put the lists of theirs there" in done.stderr + done.stdout
