"""What a dry run names: changed keys with both values, changed modules, changed inputs."""

from types import SimpleNamespace

import pytest

from ptebench.plan import code
from ptebench.plan.preview import changed_inputs, changed_parameters, changes, grouped, megabytes


@pytest.mark.parametrize(
    "before, now, said",
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, ["a.b 1 -> 3"]),
        ({"ks": [1, 5]}, {"ks": [1, 5, 10]}, ["ks [1,5] -> [1,5,10]"]),
        ({}, {"patience": 3}, ["patience null -> 3"]),
        ({"title": "x" * 60}, {"title": "y"}, [f'title "{"x" * 44}... -> "y"']),
        ({"cells": list(range(40))}, {"cells": list(range(1, 42))}, ["cells: 2 more, 1 less"]),
        ({"cells": list(range(40))}, {"cells": list(range(40))[::-1]}, ["cells: in another order"]),
    ],
)
def test_a_change_of_settings_names_the_key_and_both_values(before, now, said):
    assert changes(before, now) == said


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two digests of code of three modules, which an earlier run kept, and the function that makes the plan's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(code, "NAMED", {})
    old = {"ptebench.errors": "1", "ptebench.lists": "2", "ptebench.gone": "1"}
    monkeypatch.setattr(
        code, "code_modules", lambda *names: {name: "9" if name == "ptebench.lists" else "1" for name in names}
    )
    code.write_json(old, code.FOLDER / "aaaaaaaaaaaa.json")

    def plan(*names):
        code.NAMED["bbbbbbbbbbbb"] = names
        return SimpleNamespace(only_old={"'aaaaaaaaaaaa'"}, only_new={"'bbbbbbbbbbbb'"})

    return plan


def test_a_change_of_code_names_the_files(modules):
    assert changed_parameters(modules("ptebench.errors", "ptebench.lists", "ptebench.plan")) == (
        "ptebench/gone.py is gone, ptebench/lists.py changed, ptebench/plan/__init__.py is new"
    )
    change = modules("ptebench.errors", "ptebench.lists", "ptebench.gone")
    assert changed_parameters(change) == "ptebench/lists.py changed"
    change.only_old, change.only_new = change.only_old | {"'{\"k\":1}'"}, change.only_new | {"'{\"k\":2}'"}
    assert changed_parameters(change) == "k 1 -> 2, ptebench/lists.py changed"
    (code.FOLDER / "aaaaaaaaaaaa.json").unlink()
    assert changed_parameters(modules("ptebench.errors")) == "code changed"


def test_a_run_keeps_which_modules_its_digests_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = code.named_digest("ptebench.lists")
    params = SimpleNamespace(code=lambda wildcards: digest)
    code.keep([SimpleNamespace(rule=SimpleNamespace(params=p), wildcards=None) for p in (params, SimpleNamespace())])
    assert {"ptebench.lists", "ptebench.errors"} <= set(code.read_json(code.FOLDER / f"{digest}.json"))


def test_a_change_of_inputs_names_one_and_counts_the_others():
    record = SimpleNamespace(input=["a", "b", "c"])
    flow = SimpleNamespace(persistence=SimpleNamespace(metadata=lambda file: record))
    assert (
        changed_inputs(flow, SimpleNamespace(output=["x"], input=["a", "z"])) == "reads z, no longer reads b and 1 more"
    )


def test_jobs_of_one_reason_are_counted_by_rule_with_what_they_share():
    def jobs(rule, **wildcards):
        return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)

    trains = [jobs("train", backbone="sasrec", seed=seed) for seed in "01"]
    assert grouped(trains) == "2 train (sasrec)" and grouped(trains[:1]) == "1 train (sasrec, 0)"
    assert grouped([*trains, jobs("metrics", backbone="sasrec")]) == "2 train, 1 metrics (sasrec)"
    assert grouped([jobs(rule) for rule in "aabbccdef"]) == "2 a, 2 b, 2 c, 1 d, 2 more"


def test_bytes_as_one_says_them():
    assert (megabytes(1_234_000), megabytes(2.5e9)) == ("1.2 MB", "2.5 GB")
