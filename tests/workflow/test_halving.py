"""Halving in the workflow: every rung a job and a file, and a larger budget runs only its new brackets."""

import json

from tests.workflow import test_jobs as shared

project = shared.project


def test_rungs_are_jobs_and_a_larger_budget_runs_only_its_new_brackets(project):
    study = {"biasmf": {"learning_rate": [1e-9]}, "markov": {"decay": [0.4]}}
    small = {**shared.CONFIG["tables"]["small"], "rows": [{"backbones": ["markov", "biasmf"]}]}
    tuning = {"halving": {"factor": 2, "rungs": 2}, "backbones": study}
    done = project(tables={"small": small}, tuning={"budget": 2, **tuning})
    assert done.returncode == 0, done.stderr[-3000:]
    studies = project.folder / "results" / "tuning" / "small" / "leave_one_out"
    of_biasmf = studies / "biasmf" / "id"

    def records():
        return {p.relative_to(studies).as_posix(): p.stat().st_mtime_ns for p in studies.rglob("trial.json")}

    first = records()
    place = "biasmf/id/bracket={}/rung={}/place={}/trial.json"
    rungs = [(0, 0), (0, 1), (1, 0)]
    assert set(first) == {f"markov/id/trial={k}/trial.json" for k in (0, 1)} | {place.format(0, *r) for r in rungs}
    last = json.loads((studies / place.format(0, 1, 0)).read_text())
    assert last["epochs"] == 2 and json.loads((of_biasmf / "best.json").read_text()) == last["settings"]

    done = project(tables={"small": small}, tuning={"budget": 4, **tuning})
    assert done.returncode == 0, done.stderr[-3000:]
    again = records()
    assert {name for name in again if again[name] != first.get(name)} == {
        f"markov/id/trial={k}/trial.json" for k in (2, 3)
    } | {place.format(1, *r) for r in rungs}
    assert len((of_biasmf / "study.csv").read_text().splitlines()) == 7

    backbones = shared.CONFIG["backbones"]
    backbones = {**backbones, "biasmf": {**backbones["biasmf"], "learning_rate": 1e-8}}
    done = project(tables={"small": small}, tuning={"budget": 4, **tuning}, backbones=backbones)
    assert done.returncode == 0, done.stderr[-3000:]
    last = records()
    assert {name for name in last if last[name] != again[name]} == {place.format(0, *r) for r in ((0, 0), (1, 0))}, (
        "what only the first trial depends on runs no bracket but its own"
    )
