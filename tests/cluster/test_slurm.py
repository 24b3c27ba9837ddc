"""Runs through a real Slurm: the same bytes as on one machine, whatever befalls the jobs, the controller or the run."""

import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.cluster.conftest import COUNTERS, contents
from tests.workflow.conftest import ROOT, SKIP, plain, snakemake

SLOW = "results/cells/shop/leave_one_out/slow/id/seed=0/ranks.parquet"  # of small.yaml


def test_cells_go_to_slurm_in_one_submission_and_have_the_same_bytes(run, done, without_cells):
    ranks = [path for path in contents(done) if path.endswith("ranks.parquet")]
    ended = run(without_cells, *ranks)
    assert "4 of 4" in ended.end()
    before, now = contents(done), contents(without_cells)
    assert now == {path: before[path] for path in now} and set(ranks) < set(now)
    assert ended.submissions == 1, "train and rank of two cells"


@pytest.mark.cluster
def test_cells_and_their_table_are_two_submissions(run, done, without_cells):
    ended = run(without_cells, COUNTERS)
    assert "7 of 7" in ended.end()
    assert contents(without_cells) == contents(done)
    assert ended.submissions == 2, "the cells, and the metrics with the table"
    assert not any(snakemake(without_cells, "-n", COUNTERS).stdout.count(word) for word in ("rule train", "rule rank"))


@pytest.mark.cluster
def test_the_smaller_half_of_the_demo_has_the_same_bytes(run, tmp_path):
    target = "results/tables/cold_start.md"
    folders = [tmp_path / name for name in ("here", "slurm")]
    for folder in folders:
        shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    here = snakemake(folders[0], target, stub=False)
    assert here.returncode == 0, here.stderr[-3000:]
    ended = run(folders[1], target)
    ended.end()
    assert contents(folders[1]) == contents(folders[0])
    assert ended.submissions <= 8, "six jobs of data and texts, the cells, the table with its metrics"
    asked = subprocess.run(
        [sys.executable, "-m", "ptebench.resources", "results"],
        cwd=folders[1], env=plain() | {"PYTHONPATH": str(folders[1] / "imports"), "PYTHONSAFEPATH": "1"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stdout + asked.stderr


@pytest.fixture(scope="module")
def undisturbed(done, tmp_path_factory):
    """Return the bytes of a slow cell that this machine alone made."""
    folder = tmp_path_factory.mktemp("undisturbed") / "checkout"
    shutil.copytree(done, folder, symlinks=True)
    ran = snakemake(folder, SLOW, stub=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return contents(folder)


def training(folder, epoch=20):
    """Return whether the slow cell has trained for some epochs."""
    log = folder / "logs" / SLOW.replace("ranks.parquet", "train.log")
    return log.exists() and f"epoch {epoch}/" in log.read_text()


def slow_run(run, lab, folder, *options):
    """Start a run of the slow cell; return it and the number of its submission, once it trains."""
    started = run(folder, SLOW, *options)
    lab.wait("training", lambda: training(folder) or started.process.poll() is not None, patience=300)
    numbers = [number for number, state, _ in lab.jobs() if state == "RUNNING"]
    assert len(numbers) == 1, started.text
    return started, numbers[0]


def equal(folder, undisturbed):
    """Return whether the slow cell has the bytes that it has without a disturbance."""
    now, cell = contents(folder), SLOW.removesuffix("ranks.parquet")
    return {p: b for p, b in now.items() if p.startswith(cell)} == {
        p: b for p, b in undisturbed.items() if p.startswith(cell)
    }


@pytest.mark.cluster
def test_a_job_that_is_cancelled_is_tried_again(run, lab, without_cells, undisturbed):
    started, number = slow_run(run, lab, without_cells)
    lab.call("scancel", number)
    text = started.end()
    assert "Trying to restart" in text and started.submissions == 2 and lab.state(number) == "CANCELLED"
    assert equal(without_cells, undisturbed)


@pytest.mark.cluster
def test_a_job_out_of_time_is_tried_again(run, lab, without_cells, undisturbed):
    started, number = slow_run(run, lab, without_cells)
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if "workflow_scripts.train" in process.info["cmdline"] and process.info["cwd"] == str(without_cells):
            process.suspend()  # so that it takes longer than the minute that it gets
    lab.call("scontrol", "update", f"JobId={number}", "TimeLimit=1")
    text = started.end()
    assert "Trying to restart" in text and started.submissions == 2 and lab.state(number) == "TIMEOUT"
    assert equal(without_cells, undisturbed)


@pytest.mark.cluster
def test_a_job_out_of_memory_is_tried_again_with_more(run, lab, without_cells, undisturbed):
    little = ("--set-resources", "train:mem_mb=200 * attempt ** 4", "rank:mem_mb=200 * attempt ** 4")
    started = run(without_cells, SLOW, *little)
    assert "Trying to restart" in started.end() and started.submissions == 2
    states = [state for _, state, _ in lab.jobs()[-2:]]
    assert sorted(states)[0] == "COMPLETED" and set(states) & {"OUT_OF_MEMORY", "FAILED", "CANCELLED"}
    assert equal(without_cells, undisturbed)


@pytest.mark.cluster
def test_the_controller_may_be_restarted_meanwhile(run, lab, without_cells, undisturbed):
    started, number = slow_run(run, lab, without_cells)
    lab.stop("slurmctld")
    lab.start_controller()
    started.end()
    assert started.submissions == 1 and lab.state(number) == "COMPLETED"
    assert equal(without_cells, undisturbed)


@pytest.mark.cluster
def test_a_run_that_was_killed_goes_on_while_its_jobs_still_run(run, lab, without_cells, undisturbed):
    started, _ = slow_run(run, lab, without_cells)
    second = run(without_cells, SLOW, log="second.log")  # of the same folder: it waits, and goes on
    lab.wait("the second run's waiting", lambda: "waiting for a run" in second.text)
    os.killpg(started.process.pid, signal.SIGKILL)
    started.process.wait()
    second.end()
    lab.wait("end of all jobs", lambda: not lab.jobs("--states=PD,R,CG"), patience=120)
    assert equal(without_cells, undisturbed)


@pytest.mark.cluster
def test_a_cell_that_fails_takes_no_other_of_its_submission_and_says_so_in_the_table(run, without_cells):
    target = "results/tables/failing.md"
    ended = run(without_cells, target, "--retries", "1")
    text = ended.end(1)
    assert text.count("failed: train") == 2 * 2, "two seeds, two attempts, and no other job"
    assert "the loss is" in text and "failed" in (without_cells / target).read_text()
    assert len(list((without_cells / "results/cells/shop/leave_one_out/sasrec").rglob("ranks.parquet"))) == 2
    assert ended.submissions == 2, "the second makes what is missing alone"
