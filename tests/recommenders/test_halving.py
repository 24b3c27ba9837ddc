"""Halving: which trials go on is decided in their bracket, and going on is no other training."""

import json

import pytest

from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.job import Job
from ptebench.recommenders.halving import epochs, places, promote
from ptebench.recommenders.training import Diverged, train
from ptebench.recommenders.tuning import choose, lay, point
from tests.recommenders import test_backbones as shared
from workflow_scripts import rung as script

data = shared.data
HALVING = {"factor": 2, "rungs": 3}
SPACE = {"backbone": {"learning_rate": {"low": 1e-4, "high": 3e-2, "log": True}}, "representation": {}}


def test_rungs_thin_out_a_bracket_while_epochs_grow():
    assert [places({"factor": 3, "rungs": 3}, r) for r in range(3)] == [9, 3, 1]
    settings = {"epochs": 100, "validate_every": 1}
    assert [epochs(settings, {"factor": 3, "rungs": 3}, r) for r in range(3)] == [12, 34, 100]
    assert [epochs({"epochs": 100, "validate_every": 5}, {"factor": 3, "rungs": 3}, r) for r in range(3)] == [
        15,
        35,
        100,
    ]
    assert epochs({"epochs": 7, "validate_every": 5}, {"factor": 3, "rungs": 3}, 0) == 5
    assert epochs({"epochs": 4, "validate_every": 5}, {"factor": 3, "rungs": 3}, 2) == 4


def test_the_best_go_on_and_failures_only_where_nothing_else_is_left():
    records = [{"trial": t, "value": v} for t, v in enumerate([0.2, None, 0.5, 0.2, 0.0])]
    assert [r["trial"] for r in promote(records, 3)] == [2, 0, 3]
    assert [r["trial"] for r in promote(records, 5)] == [2, 0, 3, 4, 1]


@pytest.fixture
def bracket(data, tmp_path, monkeypatch):
    """Return a function that runs a rung's place, and the cell's settings."""
    train_set, events, catalogue = data
    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(
        script, "load", lambda job, spec: (train_set, catalogue, events, json.dumps([spec, sorted(job.inputs)]))
    )
    cell = {**shared.spec("sasrec", **{**shared.SEQUENTIAL, "epochs": 8, "schedule": "linear"}), "remove_seen": False}

    def file(bracket, rung, place):
        return tmp_path / f"bracket={bracket}/rung={rung}/place={place}/trial.json"

    def run(bracket, rung, place):
        before = [file(bracket, rung - 1, k) for k in range(places(HALVING, rung - 1))] if rung else []
        where = {"space": SPACE, "halving": HALVING, "bracket": bracket, "rung": rung, "place": place}
        output = file(bracket, rung, place)
        output.parent.mkdir(parents=True, exist_ok=True)
        script.main(Job({**cell, **where}, {"train": [], "before": before}, {"trial": output}, "", 1))
        return json.loads(output.read_text())

    run.cell, run.folder = cell, tmp_path
    return run


def all_rungs(run, bracket):
    return [[run(bracket, r, k) for k in range(places(HALVING, r))] for r in range(HALVING["rungs"])]


def test_the_survivor_has_the_value_that_it_would_have_had_without_halving(data, bracket):
    train_set, events, catalogue = data
    first, second, (last,) = all_rungs(bracket, 0)
    assert [r["trial"] for r in first] == [0, 1, 2, 3] and [r["epochs"] for r in first] == [2] * 4
    assert [r["trial"] for r in second] == [r["trial"] for r in promote(first, 2)] and second[0]["epochs"] == 4
    assert last["trial"] == promote(second, 1)[0]["trial"] and last["epochs"] == 8
    spec = lay(bracket.cell, point(SPACE, last["trial"], 0))
    _, curve, _ = train(spec, train_set, events, catalogue, False)
    values = [c["value"] for c in curve]
    assert last["value"] == max(values) and last["settings"] == point(SPACE, last["trial"], 0)
    of_winner = [r for r in first + second if r["trial"] == last["trial"]]
    assert [r["value"] for r in of_winner] == [max(values[:2]), max(values[:4])]
    assert choose([*first, *second, last], "study")["settings"] == last["settings"]
    assert not list(bracket.folder.rglob("*.safetensors")), "no checkpoint is left behind"


def test_a_rung_run_again_beside_a_later_checkpoint_says_the_same(bracket):
    first = [bracket(0, 0, k) for k in range(4)]
    second = [bracket(0, 1, k) for k in range(2)]
    assert len(list(bracket.folder.rglob("*.safetensors"))) == 2, "those of the trials that go on"
    assert [bracket(0, 0, k) for k in range(4)] == first
    for path in bracket.folder.rglob("*.safetensors"):
        path.unlink()
    assert [bracket(0, 1, k) for k in range(2)] == second


def test_another_bracket_has_other_trials_and_changes_nothing_of_the_first(bracket):
    before = all_rungs(bracket, 0)
    other = all_rungs(bracket, 1)
    assert [r["trial"] for r in other[0]] == [4, 5, 6, 7] and all_rungs(bracket, 0) == before


@pytest.mark.parametrize(
    "error, said",
    [
        (Diverged("the loss is nan"), "the loss is nan"),
        (AssertionError("embed_dim must be divisible by num_heads"), "AssertionError: embed_dim must be divisible"),
        (RuntimeError("shape '[2, 3]' is invalid\nmore"), "RuntimeError: shape '[2, 3]' is invalid"),
        (MemoryError(), "MemoryError: no memory is left"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_trial_that_fails_is_recorded_and_left_behind(bracket, monkeypatch, error, said):
    def explode(spec, *rest):
        if spec["backbone"]["learning_rate"] == point(SPACE, 1, 0)["backbone"]["learning_rate"]:
            raise error
        return train(spec, *rest)

    monkeypatch.setattr("ptebench.recommenders.rung.train", explode)
    first, second, _ = all_rungs(bracket, 0)
    assert first[1]["failure"].startswith(said) and "\n" not in first[1]["failure"] and first[1]["value"] is None
    assert 1 not in [r["trial"] for r in second]
    monkeypatch.setattr(
        "ptebench.recommenders.rung.train", lambda *_: explode({"backbone": point(SPACE, 1, 0)["backbone"]})
    )
    *_, (last,) = all_rungs(bracket, 1)
    assert last["failure"].startswith(said) and last["epochs"] == 0


def test_a_budget_is_whole_brackets():
    halving = {"factor": 3, "rungs": 3}
    assert resolve({"tuning": {"budget": 18, "halving": halving}}, "c")["tuning"]["halving"] == halving
    assert resolve({"tuning": {"budget": 9, "halving": {}}}, "c")["tuning"]["halving"] == halving
    assert resolve({}, "c")["tuning"]["halving"] is None
    with pytest.raises(InputError, match="c: tuning: .*budget: expected a multiple of 9, the trials of a bracket of 3"):
        resolve({"tuning": {"budget": 16, "halving": halving}}, "c")
