"""What a dry run names: changed keys with both values, changed modules, changed inputs."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from ptebench.files import write_json
from ptebench.plan import code
from ptebench.plan.preview import NEW, changed_inputs, changed_parameters, changes, grouped, megabytes, raw_files, why
from ptebench.provenance import modules_digest
from ptebench.records import read_modules, seal

LONG = "x" * 60
CELLS = [{"seed": 0, "representation": name, "text": None} for name in ("card", "pte", "pte_shuffled")]


@pytest.mark.parametrize(
    "before, now, said",
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, ["a.b 1 -> 3"]),
        ({"ks": [1, 5]}, {"ks": [1, 5, 10]}, ["ks [1,5] -> [1,5,10]"]),
        ({}, {"patience": 3}, ["patience null -> 3"]),
        ({"title": "x" * 60}, {"title": "y"}, [f'title "{"x" * 44}... -> "y"']),
        (
            {"path": LONG + "a.yaml"},
            {"path": LONG + "b.yaml"},
            ['path ...xxxxxxxxxxxxa.yaml" -> ...xxxxxxxxxxxxb.yaml"'],
        ),
        ({"path": LONG}, {"path": LONG + "y" * 60}, [f'path ...{"x" * 12}" -> ...{"x" * 12}{"y" * 30}...']),
        ({"cells": list(range(40))}, {"cells": list(range(1, 42))}, ["cells: 2 more, 1 less"]),
        ({"cells": CELLS}, {"cells": [{**cell, "seed": 1} for cell in CELLS]}, ["cells.seed 0 -> 1"]),
        ({"cells": CELLS}, {"cells": [*CELLS[:2], {**CELLS[2], "text": "a"}]}, ['cells.text null -> "a"']),
        ({"cells": CELLS}, {"cells": [*CELLS[:2], {"seed": 1, "text": "a"}]}, ["cells: 1 more, 1 less"]),
        ({"cells": list(range(40))}, {"cells": list(range(40))[::-1]}, ["cells: in another order"]),
        (
            {"cells": [[name, "id", [0]] for name in ("sasrec", "gru4rec", "bert4rec", "lightgcn")]},
            {
                "cells": [[name, "id", [0, 1]] for name in ("sasrec", "gru4rec")]
                + [["bert4rec", "id", [0]], ["lightgcn", "id", [0]]]
            },
            ["cells [0] -> [0,1]"],
        ),
        ({"failed": CELLS}, {}, ["failed: 3 less"]),
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
    code.write_json(old, code.FOLDER / f"{modules_digest(old)}.json")

    def plan(*names):
        code.NAMED["bbbbbbbbbbbb"] = names
        return SimpleNamespace(only_old={repr(modules_digest(old))}, only_new={"'bbbbbbbbbbbb'"})

    return plan


def test_a_change_of_code_names_the_files(modules):
    assert changed_parameters(modules("ptebench.errors", "ptebench.lists", "ptebench.plan")) == (
        "ptebench/gone.py is gone, ptebench/lists.py changed, ptebench/plan/__init__.py is new"
    )
    change = modules("ptebench.errors", "ptebench.lists", "ptebench.gone")
    assert changed_parameters(change) == "ptebench/lists.py changed"
    change.only_old, change.only_new = change.only_old | {"'{\"k\":1}'"}, change.only_new | {"'{\"k\":2}'"}
    assert changed_parameters(change) == "k 1 -> 2, ptebench/lists.py changed"
    (file,) = code.FOLDER.iterdir()
    for damaged in ("{", file.read_text().replace('"2"', '"3"')):
        file.write_text(damaged)
        assert changed_parameters(modules("ptebench.errors")) == "code changed"
    file.unlink()
    assert changed_parameters(modules("ptebench.errors")) == "code changed"


def test_a_run_keeps_which_modules_its_digests_count(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = code.named_digest("ptebench.lists")
    params = SimpleNamespace(code=lambda wildcards: digest)
    jobs = [SimpleNamespace(rule=SimpleNamespace(params=p), wildcards=None) for p in (params, SimpleNamespace())]
    code.keep(jobs)
    file = code.FOLDER / f"{digest}.json"
    whole = file.read_text()
    assert {"ptebench.lists", "ptebench.errors"} <= set(read_modules(file))
    file.write_text("{")
    code.keep(jobs)
    assert file.read_text() == whole, "a damaged file is written anew"


def test_what_follows_from_other_jobs_is_no_reason():
    def said(before, now, after=False):
        change = SimpleNamespace(only_old={repr(json.dumps(before))}, only_new={repr(json.dumps(now))})
        return changed_parameters(change, after)

    cells, defaults = {"cells": [1], "trials": [0]}, {"counters": [], "defaults": {"pte": {"rate": 1.0}}}
    assert said(cells, {"cells": [1, 2], "trials": [0, 0]}) == "cells [1] -> [1,2]"
    assert (
        said(cells, {**cells, "trials": [3]}) == "trials [0] -> [3]"
        and said(cells, {**cells, "trials": [3]}, True) == ""
    )
    assert said(defaults, {**defaults, "defaults": {}}, True) == ""


@pytest.mark.parametrize(
    "before, now, said",
    [
        ({"": ["a", "b", "c"]}, {"x": "a", "y": "z"}, "reads z, no longer reads b and 1 more"),
        ({"items": ["i"], "times": ["a"]}, {"items_": "i", "times_": "b"}, "times a -> b"),
        ({"sequences": ["a"], "times": ["b"]}, {"sequences": "a", "times": "a"}, "times b -> a"),
        ({"ranks": ["a", "b"], "train": ["t"]}, {"ranks": ["b", "c"], "train": "t"}, "reads c, no longer reads a"),
        ({"ranks": ["a", "b"]}, {"ranks": ["b", "a"]}, "inputs in another order"),
    ],
)
def test_a_change_of_inputs_names_the_key_or_a_file_and_counts_the_others(before, now, said):
    assert changed_inputs(before, now) == said


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job that read mine.jsonl, with its file and its record."""
    monkeypatch.chdir(tmp_path)
    Path("made").touch()
    command = "python -m workflow_scripts.embed --spec {} --input texts mine.jsonl --output vectors made --threads 1"
    write_json(seal({"command": command}), Path("made.provenance.json"))
    return SimpleNamespace(output=["made", "made.provenance.json"], input={"texts_": "mine.jsonl"})


def said_of(job, **reason):
    flags = dict.fromkeys(("forced", "input_changed", "code_changed", "software_stack_changed", "params_changed"))
    sets = {name: set() for name in ("missing_output", "incomplete_output", "updated_input", "updated_input_run")}
    dag = SimpleNamespace(reason=lambda job: SimpleNamespace(**flags | sets | reason))
    persistence = SimpleNamespace(params_changed=lambda job: None, metadata=lambda file: SimpleNamespace(input=["old"]))
    return why(SimpleNamespace(dag=dag, persistence=persistence), job)


def test_another_file_is_named_by_its_key_and_the_same_file_changed(job):
    assert said_of(job, updated_input={"mine.jsonl"}) == "mine.jsonl changed"
    job.input = {"texts": "other.jsonl"}
    assert said_of(job, updated_input={"other.jsonl"}) == "texts mine.jsonl -> other.jsonl"
    assert said_of(job, input_changed=True) == "texts mine.jsonl -> other.jsonl"
    Path("made.provenance.json").write_text("damaged")
    assert said_of(job, input_changed=True) == "reads other.jsonl, no longer reads old"


def test_of_a_job_not_made_nothing_else_is_said(job):
    job.output = ["another"]
    assert said_of(job, missing_output={"another"}, updated_input={"mine.jsonl"}) == NEW
    job.output = ["made", "another"]
    assert said_of(job, missing_output={"another"}) == "another is gone"


def test_cells_say_what_is_read(job):
    spec = {"cells": list(range(40))}
    change = SimpleNamespace(only_old={repr(json.dumps(spec))}, only_new={repr(json.dumps({"cells": list(range(41))}))})
    job.input = {"ranks": ["a"]}
    assert said_of(job, params_changed=change, input_changed=True) == "cells: 1 more"


def test_jobs_of_one_reason_are_counted_by_rule_with_what_they_share():
    def jobs(rule, **wildcards):
        return SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards)

    trains = [jobs("train", backbone="sasrec", seed=seed) for seed in "01"]
    assert grouped(trains) == "2 train (sasrec)" and grouped(trains[:1]) == "1 train (sasrec, 0)"
    assert grouped([*trains, jobs("metrics", backbone="sasrec")]) == "2 train, 1 metrics (sasrec)"
    assert grouped([jobs(rule) for rule in "aabbccdef"]) == "2 a, 2 b, 2 c, 1 d, 2 more"


def test_bytes_as_one_says_them():
    assert (megabytes(1_234_000), megabytes(2.5e9)) == ("1.2 MB", "2.5 GB")


def test_a_plan_to_fetch_says_from_where_and_what_is_got_by_hand():
    files = {"a.gz": {"url": "https://a/a.gz", "licence": "any"}, "b.gz": None}
    params = SimpleNamespace(spec=json.dumps(files | {f"{n}.gz": files["a.gz"] for n in range(20)}))
    others = SimpleNamespace(rule=SimpleNamespace(name="split"), params=None)
    lines = raw_files([others, SimpleNamespace(rule=SimpleNamespace(name="download"), params=params)])
    assert lines[0] == ("fetch", "a.gz, from https://a/a.gz (terms: any)")
    head, text = lines[1]
    assert head == "lack" and text.startswith("b.gz: no such file; check its name")
    download = SimpleNamespace(rule=SimpleNamespace(name="download"), params=SimpleNamespace(spec="{}"))
    assert raw_files([download]) == [("fetch", "nothing: no raw file is missing")]
    assert lines[20:] == [("", "2 more files")] and raw_files([others]) == []
