"""Runs that are killed: what stays, and what a job does that goes on alone."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from ptebench import leases
from tests.workflow.conftest import plain
from tests.workflow.test_jobs import CONFIG, digests, project  # noqa: F401

CELL = "results/cells/small/leave_one_out/sasrec/id/seed=0"
TABLE = {**CONFIG["tables"]["small"], "rows": [{"backbones": ["sasrec"]}]}


def of_epochs(count):
    """Return the configuration of one cell that trains for so many epochs."""
    sasrec = {**CONFIG["backbones"]["sasrec"], "epochs": count, "patience": count}
    return {"backbones": {"sasrec": sasrec}, "tables": {"small": TABLE}}


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "this never came"
        time.sleep(0.05)
    return value


def jobs_below(folder):
    """Return the processes of jobs that run in a folder."""
    ours = []
    for process in psutil.process_iter():
        try:
            if "workflow_scripts" in " ".join(process.cmdline()) and process.cwd() == str(folder):
                ours.append(process)
        except psutil.Error:
            continue
    return ours


def test_a_job_ends_with_the_run_that_started_it_and_the_next_run_goes_on(project):  # noqa: F811
    folder = project.folder
    project("--dry-run", **of_epochs(100_000))  # writes the configuration
    command = [sys.executable, "-m", "snakemake", f"{CELL}/provenance.json", "--cores", "1"]
    with open(folder / "run.log", "w") as log:
        run = subprocess.Popen(
            [*command, "--configfile", "small.yaml"], cwd=folder, env=plain(), stdout=log, stderr=log
        )
    wait_for(lambda: (folder / CELL / ".model.safetensors.lease").exists())
    run.kill()
    run.wait()
    wait_for(lambda: not jobs_below(folder), 30)
    done = project(f"{CELL}/provenance.json", **of_epochs(2))
    assert done.returncode == 0, done.stderr[-3000:]
    left = [path.name for path in (folder / CELL).iterdir() if path.name.startswith(".")]
    assert left == [], "leases and temporary files of the killed job are gone"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no signal to halt a process")
def test_a_job_that_a_dead_run_left_behind_does_not_replace_what_a_new_run_made(project):  # noqa: F811
    folder = project.folder
    assert project(f"{CELL}/provenance.json", **of_epochs(3)).returncode == 0
    record = json.loads((folder / CELL / "provenance.json").read_text())
    words = [sys.executable, *shlex.split(record["command"])[1:]]
    variables = plain() | {"PYTHONPATH": "imports", "OMP_NUM_THREADS": "1"}
    variables.pop(leases.RUN, None)  # as on a node of a cluster, where it goes on when the run has died
    late = subprocess.Popen(words, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (folder / CELL / ".model.safetensors.lease").exists())
    late.send_signal(signal.SIGSTOP)
    done = project(f"{CELL}/ranks.parquet", **of_epochs(2))
    assert done.returncode == 0, done.stderr[-3000:]
    made = {path: os.stat(path).st_mtime_ns for path in (folder / CELL).iterdir()}, digests(folder / "results")
    late.send_signal(signal.SIGCONT)
    assert "another job has begun to make this since" in late.communicate(timeout=120)[1] and late.returncode == 1
    assert (
        {path: os.stat(path).st_mtime_ns for path in (folder / CELL).iterdir()},
        digests(folder / "results"),
    ) == made
    assert "Nothing to be done" in project(f"{CELL}/ranks.parquet", "--dry-run", **of_epochs(2)).stdout


def cells_of(folder):
    """Return the time at which each file of the cell was written, and whether it was made anew by its record."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / CELL).iterdir()}


def test_without_what_snakemake_remembers_a_change_of_settings_is_seen_by_the_records(project):  # noqa: F811
    folder = project.folder
    assert project(**of_epochs(2)).returncode == 0
    shutil.rmtree(folder / ".snakemake")
    for name in ("results/data/small/interactions.parquet", "raw/sequences.txt"):
        os.utime(folder / name)
    assert "Nothing to be done" in project("--dry-run", **of_epochs(2)).stdout
    plan = project("--dry-run", **of_epochs(3)).stdout
    assert "jobs: train 1, rank 1, metrics 1, table 1" in plan
    assert "backbone.epochs 2 -> 3" in plan, "the record says what it was"
    done = project("verify", **of_epochs(2))
    assert done.returncode == 0 and "all as their records say" in done.stdout, done.stdout + done.stderr
    done = project("verify", **of_epochs(3))
    assert done.returncode == 1 and f"stale: {CELL}/model.safetensors: backbone.epochs 2 -> 3" in done.stdout
    assert "stale: results/tables/small.csv: made from what is stale" in done.stdout, done.stdout + done.stderr
    with open(folder / "raw" / "sequences.txt", "a") as stream:
        stream.write("new i1 i2 i3 i4 i5\n")
    assert "raw/sequences.txt changed" in project("--dry-run", **of_epochs(2)).stdout


def test_what_ran_again_to_the_same_bytes_takes_nothing_else_with_it(project):  # noqa: F811
    folder = project.folder
    assert project(**of_epochs(2)).returncode == 0
    before, made = digests(folder / "results"), cells_of(folder)
    records = [(folder / CELL / name).read_bytes() for name in ("provenance.json", "ranks.provenance.json")]
    done = project("--forcerun", "interactions", **of_epochs(2))
    assert done.returncode == 0 and "interactions small" in done.stderr, done.stderr[-3000:]
    assert digests(folder / "results") == before
    assert [(folder / CELL / name).read_bytes() for name in ("provenance.json", "ranks.provenance.json")] == records
    log = next((folder / "logs").rglob("seed=0/train.log")).read_text()
    assert "the result: it is put back as it was" in log and cells_of(folder).keys() == made.keys()
    assert not [path for path in (folder / "results").rglob(".*") if path.is_file()]
    assert "Nothing to be done" in project("--dry-run", **of_epochs(2)).stdout
    done = project("--forcerun", "train", **of_epochs(2))
    assert "epoch" in next((folder / "logs").rglob("seed=0/train.log")).read_text(), "what is asked for is made anew"
