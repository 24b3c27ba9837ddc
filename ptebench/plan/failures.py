"""Cells that failed: which, why, and the tables of all others.

Where a job fails, Snakemake makes nothing that reads its files, a whole table for one cell. So at the end of a run the
hook `onerror` writes the cells that could not be made to a file, and runs Snakemake once more for the tables with
`--config failed=FILE`: by that key the plan leaves these cells out and hands their reasons to the table. It is a change
of settings like any other, so that the next run without the key makes those metrics and tables anew.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ptebench.files import read_json, write_json
from ptebench.plan.command import render_command
from ptebench.plan.logs import reason
from ptebench.plan.paths import CELL, TABLES
from ptebench.plan.terminal import label, there, told_to_end

FAILED, REPORT = "logs/failed.json", "results/report/index.html"
Method = tuple[str, str, str, str]  # dataset, protocol, backbone, representation


def read_failures(file: str | None) -> dict[Method, dict[str, str]]:
    """Return reason and log of each method, of which a cell failed by the file that a run wrote."""
    if file is None:
        return {}
    failures: dict[Method, dict[str, str]] = {}
    for folder, failure in read_json(Path(file)).items():
        _, _, dataset, protocol, backbone, representation, _ = folder.split("/")
        failures.setdefault((dataset, protocol, backbone, representation), failure)
    return failures


def failed_jobs(workflow: Any) -> list[Any]:
    """Return the jobs that failed; of a submission to a cluster those that had all they read and made not all."""
    jobs = []
    for failed in workflow.scheduler.failed:
        jobs += (
            [job for job in failed.jobs if there(job.input) and not there(job.output)]
            if failed.is_group()
            else [failed]
        )
    return sorted(jobs, key=label)


def dependents(dag: Any, job: Any) -> list[Any]:
    """Return a job and all that could not be made without it."""
    jobs, pending = {job: None}, [job]
    while pending:
        for later in dag.depending[pending.pop()]:
            if later not in jobs:
                jobs[later] = None
                pending.append(later)
    return list(jobs)


def failed_cells(workflow: Any, by_backbone: Mapping[tuple[str, str, str], Iterable[Any]]) -> dict[str, dict[str, str]]:
    """Return reason and log of each cell, by its folder, that is not there because a job of Snakemake's run failed.

    by_backbone: the cells of the tables; all of a backbone are lost where its metrics fail.
    """
    failures: dict[str, dict[str, str]] = {}
    for job in failed_jobs(workflow):
        log = str(next(iter(job.log), ""))
        why = {"reason": f"{label(job)}: {reason(Path(log))}", "log": log}
        folders = [
            CELL.format(**later.wildcards_dict)
            for later in dependents(workflow.dag, job)
            if later.rule.name in ("train", "rank", "recommend")
        ]
        if job.rule.name == "metrics":
            w = job.wildcards_dict
            folders = [cell.folder for cell in by_backbone[w["dataset"], w["protocol"], w["backbone"]]]
        for folder in folders:
            failures.setdefault(folder, why)
    return failures


def unfinished_tables(workflow: Any) -> list[str]:
    """Return the tables of the run that were not made though their own job did not fail."""
    dag, failed = workflow.dag, failed_jobs(workflow)
    jobs = [job for job in dag.needrun_jobs() if job.rule.name == "table" and job not in failed]
    return sorted(job.wildcards_dict["table"] for job in jobs if not dag.finished(job))


def unfinished_report(workflow: Any) -> list[str]:
    """Return the report where the run was to make it and did not."""
    dag = workflow.dag
    return [REPORT for job in dag.needrun_jobs() if job.rule.name == "report" and not dag.finished(job)]


def table_command(workflow: Any, tables: Iterable[str], pages: list[str]) -> list[str]:
    """Return the command that makes tables and pages without the cells of FAILED, here and beside the run that ends."""
    settings, deployment = workflow.config_settings, workflow.deployment_settings
    changes = {**settings.config, "failed": FAILED}
    words = shlex.split(render_command(Path(workflow.main_snakefile), settings.configfiles, changes))[1:]
    targets = [f"{TABLES}/{table}.{kind}" for table in tables for kind in ("csv", "md", "tex", "html")]
    words = [*targets, *pages, "--nolock", "--executor", "local", *words]
    if methods := sorted(method.name.lower().replace("_", "-") for method in deployment.deployment_method):
        words += ["--software-deployment-method", *methods]
    if deployment.conda_prefix:
        words += ["--conda-prefix", str(deployment.conda_prefix)]
    return [sys.executable, "-P", "-m", "snakemake", *words]


def request(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `--config` says of a run, without what `table_command` adds."""
    return {key: value for key, value in changes.items() if key != "failed"}


def make_tables(workflow: Any, config: Mapping[str, Any], grid: Any) -> list[str]:
    """Make the tables of a run that ended with failures without the failed cells; return what to say of them.

    Nothing is made where the run was stopped or gave up early, where `strict` is set, or in the run that this starts.
    """
    scheduler = workflow.scheduler
    if config["strict"] or config["failed"] or scheduler.running or scheduler.open_jobs or told_to_end(workflow):
        return []
    failures = failed_cells(workflow, grid.by_backbone)
    lost = {tuple(folder.split("/")[2:6]) for folder in failures}
    whole = {table: {cell[:4] for cell in grid.of_table(table)} for table in unfinished_tables(workflow)}
    tables = [table for table, methods in whole.items() if methods - lost]
    report = unfinished_report(workflow)
    old = [f"{REPORT} is of an earlier run" for path in report if Path(path).exists()]
    if not tables or not failures:
        return old
    pages = report if len(tables) == len(whole) else []  # it shows all tables or is not made
    write_json(failures, Path(FAILED))
    log = Path(FAILED).with_suffix(".log")
    with open(log, "w") as stream:
        done = subprocess.run(table_command(workflow, tables, pages), stdout=stream, stderr=subprocess.STDOUT)
    if done.returncode:
        return [f"the tables without the failed cells could not be made either: {log}", *old]
    rows = {table: len(whole[table] & lost) for table in tables}
    lines = [f"{TABLES}/{table}.html (rows that say failed: {count})" for table, count in rows.items()]
    return lines + (pages or old)
