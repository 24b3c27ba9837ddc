"""Cells that failed: found from jobs, left out of the plan, their tables made once more where that is right."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.plan import failures
from ptebench.plan.grid import Grid
from ptebench.plan.reporting import Reporting
from tests.plan.test_estimates import Job
from tests.worlds import configuration

SPLIT = {"dataset": "news", "protocol": "snapshot"}
WHY = {"reason": "train: the loss is not finite", "log": "logs/x.log"}


def job(rule, log="", **wildcards):
    return Job(
        rule=SimpleNamespace(name=rule), wildcards_dict=SPLIT | wildcards, log=[log] if log else [],
        is_group=lambda: False,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of Snakemake that ended: profiles, which cells of pte read, and the metrics of lightgcn failed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.log").write_text("error: no memory\n")
    writing, metrics = job("write_profiles", "x.log"), job("metrics", backbone="lightgcn")
    embed, table = job("embed"), job("table", table="snapshot")
    train = job("train", backbone="biasmf", representation="pte", seed="1")
    rank, other = job("rank", **train.wildcards_dict), job("metrics", backbone="biasmf")
    depending = {
        writing: [embed],
        embed: [train],
        train: [rank],
        rank: [other],
        other: [table],
        metrics: [table],
        table: [],
    }
    dag = SimpleNamespace(depending=depending, needrun_jobs=lambda: list(depending), finished=lambda job: False)
    scheduler = SimpleNamespace(failed={writing, metrics}, running=set(), open_jobs=[])
    settings = SimpleNamespace(configfiles=["a b.yaml"], config={"seeds": [0, 1]})
    deployment = SimpleNamespace(deployment_method=(), conda_prefix=None)
    return SimpleNamespace(
        dag=dag, scheduler=scheduler, config_settings=settings, deployment_settings=deployment,
        main_snakefile="/c/Snakefile",
    )  # fmt: skip


def test_cells_fail_with_what_they_are_made_from_and_with_the_metrics_of_their_backbone(run):
    grid = Grid(configuration())
    found = failures.failed_cells(run, grid.by_backbone)
    cell = "results/cells/news/snapshot/biasmf/pte/seed=1"
    assert found.pop(cell) == {"reason": "write_profiles news snapshot: no memory", "log": "x.log"}
    assert set(found) == {c.folder for c in grid.by_backbone["news", "snapshot", "lightgcn"]}
    assert failures.unfinished_tables(run) == ["snapshot"]


def test_of_a_submission_those_jobs_failed_that_had_what_they_read_and_made_not_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [job("train", backbone=name) for name in ("done", "failed", "waiting")]
    for one, (input, output) in zip(jobs, [([], ["x"]), (["x"], ["x", "y"]), (["y"], ["z"])]):
        one.input, one.output = input, output
    Path("x").touch()
    group = SimpleNamespace(is_group=lambda: True, jobs=jobs)
    run = SimpleNamespace(scheduler=SimpleNamespace(failed=[group]))
    assert failures.failed_jobs(run) == [jobs[1]]


@pytest.fixture
def started(monkeypatch):
    """The commands that were run, none of them for real; each ends with the code that stands in `code`."""
    commands = SimpleNamespace(all=[], code=0)

    def start(words, stdout, stderr):
        commands.all.append(words)
        return SimpleNamespace(returncode=commands.code)

    monkeypatch.setattr(failures, "subprocess", SimpleNamespace(run=start, STDOUT=None))
    return commands


def test_tables_are_made_with_the_configuration_of_the_run_and_the_failed_cells_beside_it(run, started):
    config = configuration()
    said = failures.make_tables(run, config, Grid(config))
    rows = 1 + len({c[:4] for c in Grid(config).by_backbone["news", "snapshot", "lightgcn"]})
    assert said == [f"results/tables/snapshot.html (rows that say failed: {rows})"]
    (words,) = started.all
    assert words[1:8] == [
        "-P",
        "-m",
        "snakemake",
        *(f"results/tables/snapshot.{kind}" for kind in ("csv", "md", "tex", "html")),
    ]
    at = words.index("--config")
    assert words[at - 2 : at] == ["--configfile", "a b.yaml"]
    assert words[at + 1 :] == ["seeds=[0, 1]", 'failed="logs/failed.json"']
    started.code = 1
    assert failures.make_tables(run, config, Grid(config)) == [
        "the tables without the failed cells could not be made either: logs/failed.log"
    ]


@pytest.mark.parametrize("case", ["strict", "failed", "stopped", "gave up", "SIGTERM"])
def test_no_table_is_made_where_it_was_not_to_be(run, started, case):
    config = configuration()
    grid = Grid(config)
    config |= {"strict": case == "strict", "failed": "x" if case == "failed" else None}
    run.scheduler._user_kill = "graceful" if case == "SIGTERM" else None
    run.scheduler.running = {1} if case == "stopped" else set()
    run.scheduler.open_jobs = [1] if case == "gave up" else []
    assert failures.make_tables(run, config, grid) == [] and started.all == []


def test_a_table_of_which_every_row_failed_is_not_made(run, started):
    config = configuration()
    grid = Grid(config)
    run.scheduler.failed = {job("metrics", backbone=b) for _, protocol, b in grid.by_backbone if protocol == "snapshot"}
    run.dag.depending |= {lost: [] for lost in run.scheduler.failed}
    assert failures.make_tables(run, config, grid) == [] and started.all == []


def test_a_method_of_which_a_cell_failed_is_in_no_metrics_and_named_by_its_table(tmp_path):
    file = tmp_path / "failed.json"
    file.write_text(json.dumps({"results/cells/news/snapshot/biasmf/pte/seed=1": WHY}))
    whole, part = Reporting(configuration()), Reporting(configuration() | {"failed": str(file)})
    place = Wildcards(fromdict=SPLIT | {"backbone": "biasmf"})
    assert len(part.metric_settings(place)["cells"]) == len(whole.metric_settings(place)["cells"]) - 2
    table = Wildcards(fromdict={"table": "snapshot"})
    spec = part.table_settings(table)
    assert spec["failed"] == [SPLIT | {"backbone": "biasmf", "representation": "pte"} | WHY]
    assert ["biasmf", "pte"] not in [method[2:4] for method in spec["cells"]]
    assert not any("biasmf.pte" in (claim["row"], claim["above"]) for claim in spec["claims"])
    assert not any("biasmf/pte/" in path for path in part.table_inputs(table)["ranks"])
    assert "failed" not in whole.table_settings(table) and "failed" not in part.table_settings(
        Wildcards(fromdict={"table": "cold_start"})
    )
