"""Declared beside used: the laws, and the page of what finished jobs used."""

import json
import subprocess
import sys

import polars as pl
import pytest

from ptebench import resources
from tests.conftest import REPOSITORY

SASREC = {"backbone": {"dimension": 64, "epochs": 10, "learning_rate": 0.001}}


@pytest.fixture
def split(tmp_path):
    """Return the files of a split of Beauty's size: events and items as rows."""
    for name, rows in (("train", 150_000), ("test", 22_363), ("vocabulary", 12_101)):
        pl.DataFrame({"x": range(rows)}).write_parquet(tmp_path / f"{name}.parquet")
    return [tmp_path / f"{name}.parquet" for name in ("train", "test", "vocabulary")]


def test_time_follows_events_items_width_and_epochs(split):
    ten = resources.seconds("train", SASREC, split)
    assert 35 < ten < 110, "benchmarks/results/sasrec.json has 3.6 s an epoch on two threads"
    twenty = resources.seconds("train", {"backbone": SASREC["backbone"] | {"epochs": 20}}, split)
    assert twenty == pytest.approx(2 * ten, rel=0.05)
    assert 0.9 < resources.seconds("rank", SASREC, split) < 5, "and .46 s to rank"
    assert resources.seconds("train", SASREC, []) is None and resources.seconds("grpo", {}, split) is None
    assert resources.minutes("train", SASREC, split) > ten / 60


def test_grpo_reads_a_large_batch_in_parts():
    tokens = {n: resources.TOKENS["grpo"]({"context": 320, "grpo": {"batch_size": n}}) for n in (1, 2, 16, 64)}
    assert tokens[1] < tokens[2] < tokens[16] == tokens[64]
    assert resources.TOKENS["grpo"]({"context": 9000, "grpo": {"batch_size": 4}}) > tokens[64], "a text is read whole"


def test_memory_follows_the_bytes_that_are_read(split, tmp_path):
    size = sum(path.stat().st_size for path in split) / 1e6
    assert resources.megabytes("rank", {}, None, split) == int(2500 + 10 * size)
    assert resources.megabytes("split", {}, None, [tmp_path / "none"]) is None
    assert resources.megabytes("simulate", {}, None, []) == 800


def test_metrics_read_one_cell_after_another(tmp_path):
    groups, small, large = (tmp_path / name for name in ("groups.parquet", "a/ranks.parquet", "b/ranks.parquet"))
    for path, size in ((groups, 10**6), (small, 2 * 10**6), (large, 3 * 10**6)):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
    assert resources.megabytes("metrics", {}, None, [groups, small, large]) == 500 + 200 * 4


def test_a_parquet_file_of_interactions_unpacks_to_more_than_a_text(tmp_path):
    for path in (text := tmp_path / "x.csv.gz", table := tmp_path / "x.parquet"):
        path.write_bytes(bytes(10**6))
    assert resources.megabytes("interactions", {}, None, [text]) == 805
    assert resources.megabytes("interactions", {}, None, [table]) == 850


def test_an_alignment_that_teaches_an_encoder_asks_for_its_states(split, tmp_path):
    pl.DataFrame({"x": range(20_000)}).write_parquet(cards := tmp_path / "items.parquet")
    asked = [resources.megabytes("align", {}, None, files) for files in (split, [*split, cards])]
    assert 2990 < asked[1] - asked[0] < 3010


def record(folder, name, **values):
    path = folder / "results" / f"{name}.provenance.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    job = {"script": "rank", "spec": {}, "inputs": {"results/x": ""}, "peak_memory_mib": 100.0, "wall_seconds": 9.0}
    path.write_text(json.dumps(job | values))


def page(folder):
    command = [sys.executable, "-m", "ptebench.resources", "results"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={"PYTHONPATH": str(REPOSITORY), "PYTHONSAFEPATH": "1"}
    )


def test_a_job_that_used_more_than_it_asked_for_is_named(tmp_path):
    record(tmp_path, "a")
    (tmp_path / "results/x").write_bytes(bytes(10**6))
    assert (done := page(tmp_path)).returncode == 0, done.stderr
    assert "2,510" in done.stdout and "105" in done.stdout and "0 of 1 jobs" in done.stdout
    record(tmp_path, "b", peak_memory_mib=3000.0)
    assert (done := page(tmp_path)).returncode == 1
    assert "results/b.provenance.json: used 3,146 MB of 2510" in done.stdout and "1 of 2 jobs" in done.stdout


def test_a_folder_without_records_is_refused(tmp_path):
    (tmp_path / "results").mkdir()
    assert "no record of a job" in page(tmp_path).stderr
