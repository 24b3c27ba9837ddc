"""Which jobs go to a cluster together, and how many of them."""

from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.plan import groups
from ptebench.plan.cells import Cells
from ptebench.plan.estimates import Earlier
from ptebench.plan.groups import Components, Groups, attach, inside
from tests.worlds import configuration

CELL = Wildcards(
    fromdict={"dataset": "shop", "protocol": "p", "backbone": "sasrec", "representation": "id", "seed": "1"}
)


def named(rule="train", seconds=None, gpu=False):
    """Return the group of a job of a cell of which train and rank took so many seconds each, in an earlier run."""
    jobs = [] if seconds is None else [Earlier({}, seconds)]
    requests = SimpleNamespace(earlier=lambda rule, wildcards: jobs)
    config = configuration(
        protocols={"p": {"kind": "leave_one_out"}, "cold_start_user": None, "snapshot": {"cut": "2024-01-16"}}
    )
    return Groups(requests, Cells(config), lambda wildcards, rule: gpu).rules[rule](CELL)


def test_the_jobs_of_a_cell_are_one_group_by_its_seconds_and_its_hardware():
    names = {named(rule, 10.0) for rule in ("choose_trial", "train", "rank", "cell_metrics")}
    assert names == {"cells_cpu_16"}, "20 s: at least 16"
    assert named(seconds=10.0, gpu=True) == "cells_gpu_16" and named("trial", 10.0) == "trials_cpu_4"
    assert named("metrics") == named("table") == "report"


def test_a_cell_of_which_nothing_tells_counts_as_one_of_a_minute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named() == "cells_cpu_64"


@pytest.mark.parametrize("seconds", [0.01, 1.0, 3.0, 64.0, 700.0, 1300.0, 86_400.0])
def test_a_submission_carries_20_minutes_of_work_and_no_more_cells_than_that_takes(seconds):
    count = Components().get(named(seconds=seconds / 2))
    assert count == 1 or max(seconds, 1.0) * count >= groups.WORK
    assert count == 1 or max(seconds, 1.0) * (count - 1) < 4 * groups.WORK


def test_the_report_is_one_submission_and_a_profile_may_say_otherwise():
    assert Components().get("report") == groups.ALL
    assert Components({"cells_cpu_16": 7}).get("cells_cpu_16") == 7


def workflow(remote, local_groupid="local", attempt=1):
    """A workflow whose rules take a group, as Snakemake reads it in a run or, remote, within a submission."""
    rules = {rule: SimpleNamespace(group=None) for rule in (*groups.CELL_RULES, "trial", "rung", *groups.REPORT_RULES)}
    return SimpleNamespace(
        get_rule=rules.get, remote_exec=remote, dryrun=False, attempt=attempt, rules=rules,
        group_settings=SimpleNamespace(local_groupid=local_groupid, group_components={}),
        spawned_job_args_factory=SimpleNamespace(general_args=lambda executor_common_settings: "--force --nolock"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("remote", "local", "group"), [(False, "local", "of a run"), (True, "local", None), (True, "x", groups.SUBMISSION)]
)
def test_within_a_submission_all_its_jobs_are_one_group(remote, local, group):
    run = workflow(remote, local)
    attach(run, SimpleNamespace(rules=dict.fromkeys(run.rules, lambda wildcards: "of a run")))
    assert run.rules["train"].group(CELL) == group
    assert run.group_settings.group_components.get(groups.SUBMISSION) == groups.ALL
    assert not run.group_settings.group_components, "Snakemake would hand it to jobs as text"


def test_a_dry_run_takes_no_time_for_groups():
    run = workflow(False)
    run.dryrun = True
    attach(run, SimpleNamespace(rules=dict.fromkeys(run.rules, lambda wildcards: "of a run")))
    assert run.rules["train"].group(CELL) is None


def test_within_a_submission_a_job_that_fails_stops_no_other_and_another_attempt_makes_what_is_missing():
    run = workflow(True, "x")
    attach(run, SimpleNamespace(rules={}))
    assert run.spawned_job_args_factory.general_args(executor_common_settings=None) == "--keep-going --force --nolock"
    assert inside("--force --nolock", 2) == "--keep-going --nolock"
