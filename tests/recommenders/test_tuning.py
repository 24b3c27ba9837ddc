"""Points of a study: deterministic, inside the space, unmoved by a larger budget; the winner by validation alone."""

import json

import pytest

from ptebench.files import InputError
from ptebench.job import Job
from ptebench.recommenders.tuning import choose, lay, point
from tests.recommenders import test_backbones as shared
from workflow_scripts import trial as script

data = shared.data

SPACE = {
    "backbone": {
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "dropout": [0.1, 0.3, 0.5],
        "dimension": {"low": 16, "high": 256, "log": True},
        "blocks": {"low": 1, "high": 3, "log": False},
    },
    "representation": {"shrinkage": {"low": 0.0, "high": 1.0, "log": False}},
}


def test_points_lie_in_the_space_and_fill_it():
    points = [point(SPACE, trial, seed=0) for trial in range(1, 65)]
    for key, low, high in (("learning_rate", 1e-4, 1e-2), ("dimension", 16, 256), ("blocks", 1, 3)):
        values = [p["backbone"][key] for p in points]
        assert low <= min(values) and max(values) <= high
    assert {p["backbone"]["dropout"] for p in points} == {0.1, 0.3, 0.5}
    assert {p["backbone"]["blocks"] for p in points} == {1, 2, 3}
    assert all(isinstance(p["backbone"]["dimension"], int) for p in points)
    below = sum(p["backbone"]["learning_rate"] < 1e-3 for p in points)
    assert 30 <= below <= 34, "half of the points lie below the geometric middle"
    assert min(p["representation"]["shrinkage"] for p in points) < 0.05


def test_a_point_depends_on_trial_and_seed_alone():
    assert point(SPACE, 5, 0) == point(SPACE, 5, 0)
    assert point(SPACE, 5, 0) != point(SPACE, 5, 1)
    assert len({str(point(SPACE, trial, 0)) for trial in range(20)}) == 20


def test_trial_0_has_the_settings_of_the_configuration():
    spec = {"backbone": {"kind": "sasrec", "dropout": 0.2}, "representation": {"kind": "id"}, "seed": 3}
    assert lay(spec, point(SPACE, 0, 0)) == spec
    assert lay(spec, {"backbone": {"dropout": 0.5}, "representation": {}})["backbone"] == {
        "kind": "sasrec", "dropout": 0.5,
    }  # fmt: skip


def test_the_best_value_wins_and_failures_never_do():
    trials = [{"trial": k, "value": v, "failure": None if v else "nan"} for k, v in enumerate([None, 0.1, 0.3, 0.3])]
    assert choose(trials, "study")["trial"] == 2
    with pytest.raises(InputError, match="study: every trial failed, the first with: nan"):
        choose(trials[:1], "study")


@pytest.mark.parametrize(
    "backbone, representation", [("sasrec", "id"), ("hstu", "id"), ("gru4rec", "jepa"), ("gru4rec", "llmesr")]
)
def test_an_impossible_point_fails_and_is_recorded(data, tmp_path, monkeypatch, backbone, representation):
    """16 dimensions cannot be parted among 3 heads."""
    train_set, events, catalogue = data
    monkeypatch.setattr(script, "load", lambda job, spec: (train_set, catalogue, events, ""))
    cell = shared.spec(backbone, **{**shared.SEQUENTIAL, "epochs": 1})
    if representation != "id":
        cell["representation"] = settings_of(representation)
    part = "backbone" if representation == "id" else "representation"
    space = {"backbone": {}, "representation": {}} | {part: {"heads": [3]}}
    output = tmp_path / "trial.json"
    script.main(Job({**cell, "remove_seen": False, "trial": 1, "space": space}, {}, {"trial": output}, "", 1))
    record = json.loads(output.read_text())
    assert record["value"] is None and record["failure"] and record["settings"][part] == {"heads": 3}
    with pytest.raises(InputError, match="every trial failed, the first with: "):
        choose([record], "study")


def settings_of(kind):
    return shared.resolve({"encoders": {"minilm": {}}, "representations": {kind: {}}}, "c")["representations"][kind]
