"""What lies in results against its records: every planted fault is named, and a sound tree has none."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ptebench import leases, verify
from ptebench.files import write_json
from ptebench.provenance import code_modules, file_digest, modules_digest
from ptebench.records import seal

MODULES = code_modules("ptebench.errors")
CODE = modules_digest(MODULES)


def plant(name, text, inputs=(), **changes):
    """Write an artefact and its record as a job would."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    record = path.with_name(f"{path.name}.provenance.json")
    read = {str(file): file_digest(Path(file)) for file in inputs}
    made = {"outputs": {name: file_digest(path)}, "inputs": read, "code": CODE, "wall_seconds": 1.25}
    write_json(seal(made | {"command": f"python -m workflow_scripts.toy --provenance {record}"} | changes), record)
    return record


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A sound tree of results: raw data, a split, a model made of it."""
    monkeypatch.chdir(tmp_path)
    Path("raw.csv").write_text("raw")
    write_json(MODULES, Path(f"results/code/{CODE}.json"))
    plant("results/split/train", "events", ["raw.csv"])
    plant("results/cells/model", "weights", ["results/split/train", "results/split/train.provenance.json"])
    return tmp_path


def findings():
    return [(finding.kind, finding.file) for finding in verify.Results([Path("results")]).verify()]


def test_a_sound_tree_has_no_finding_and_ends_with_0(tree, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["verify", "results"])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    assert ended.value.code == 0 and "5 files, 2 records: all as their records say" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["split/train", "cells/model", "split/train.provenance.json", "cells/model.provenance.json"]
)
def test_any_bit_that_flips_in_a_file_or_a_record_is_named_whatever_its_time(tree, name):
    path, draw = Path("results") / name, random.Random(name)
    sound, stat = path.read_bytes(), path.stat()
    for place in draw.sample(range(8 * len(sound)), min(8 * len(sound), 40)):
        flip = bytearray(sound)
        flip[place // 8] ^= 1 << place % 8
        path.write_bytes(flip)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (("damaged" if "provenance" in name else "other bytes"), str(path)) in findings(), place


def test_what_was_made_from_other_bytes_or_by_other_code_is_stale(tree):
    Path("raw.csv").write_text("others")
    assert findings() == [("stale", "results/split/train.provenance.json")]
    Path("raw.csv").unlink()
    assert findings() == [], "raw data may be taken away"
    plant("results/split/train", "other events")
    assert findings() == [("stale", "results/cells/model.provenance.json")] * 2
    before = {**MODULES, "ptebench.errors": "0"}
    old = modules_digest(before)
    plant("results/split/train", "events", code=old)
    write_json(before, Path(f"results/code/{old}.json"))
    assert ("stale", "results/split/train.provenance.json") in findings()
    Path(f"results/code/{old}.json").unlink()
    reason = next(f.reason for f in verify.Results([Path("results")]).verify() if "split" in f.file)
    assert reason == f"made by code {old}, of which nothing is known: results/code/{old}.json is gone"


@pytest.mark.parametrize("old, new", [("{", "["), ('"ptebench.errors": "', '"ptebench.errors": "0')])
def test_a_damaged_file_of_code_is_named_and_makes_nothing_stale(tree, old, new):
    path = Path(f"results/code/{CODE}.json")
    path.write_text(path.read_text().replace(old, new, 1))
    Path("results/cells/model").write_text("weight")
    assert sorted(findings()) == [("damaged", str(path)), ("other bytes", "results/cells/model")]


WRITER = "profiles/toys/split/lm"


@pytest.mark.parametrize(
    "name",
    [
        "code/notes.txt", "cells/a.lock", "cells/checkpoint.safetensors", "cells/training/state", "mine.answers.jsonl",
        "cells/toys/split/sasrec/id/seed=x/checkpoint.safetensors", f"{WRITER}/checkpoints/state", f"{WRITER}/kd/answers.jsonl",
        f"{WRITER}/kd/user.mine.answers.jsonl", f"{WRITER}/grpo/user/training/checkpoint.safetensors",
    ],
)  # fmt: skip
def test_a_stranger_is_named_though_its_name_be_that_of_a_checkpoint(tree, name):
    Path(f"results/{name}").parent.mkdir(parents=True, exist_ok=True)
    Path(f"results/{name}").write_text("x")
    assert findings() == [("no record", f"results/{name}")]


@pytest.mark.parametrize(
    "name",
    [
        "cells/toys/split/sasrec/id/seed=1/checkpoint.safetensors", "embeddings/toys/split/aligned/checkpoint.safetensors",
        "tuning/toys/split/sasrec/id/trial=3/checkpoint.safetensors",
        "tuning/toys/split/sasrec/id/bracket=0/trial=12.checkpoint.safetensors",
        f"{WRITER}/rounds/0/user/training/checkpoint.safetensors", f"{WRITER}/grpo/item/checkpoints/checkpoint-8/watch.pt",
        f"{WRITER}/answers.jsonl", f"{WRITER}/kd/user.0123456789abcdef.answers.jsonl",
        f"{WRITER}/kd/shards/item.cold.0.0123456789abcdef.answers.jsonl",
    ],
)  # fmt: skip
def test_what_a_job_goes_on_from_is_no_stranger(tree, name):
    Path(f"results/{name}").parent.mkdir(parents=True, exist_ok=True)
    Path(f"results/{name}").write_text("x")
    assert findings() == []


def test_files_without_records_records_without_files_and_copies_are_named(tree):
    Path("results/tables").mkdir()
    Path("results/tables/mine.csv").write_text("by hand")
    for name in ("model", "model.provenance.json"):
        Path("results/tables", name).write_bytes(Path("results/cells", name).read_bytes())
    Path("results/cells/model").unlink()
    assert sorted(findings()) == [
        ("foreign", "results/tables/model.provenance.json"),
        ("gone", "results/cells/model"),
        ("no record", "results/tables/mine.csv"),
        ("no record", "results/tables/model"),
    ]


@pytest.fixture
def crate(tree):
    """The copy of a record that a job packed, as its own record says; with that record."""
    copy = Path("results/crate/results/cells/model.provenance.json")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(Path("results/cells/model.provenance.json").read_bytes())
    Path("results/crate/metadata").write_text("graph")
    packed = {str(path): file_digest(path) for path in (copy, Path("results/crate/metadata"))}
    return copy, plant("results/crate/metadata", "graph", ["results/cells/model"], outputs=packed)


def test_a_copy_that_a_job_wrote_is_sound_and_only_what_happens_to_it_is_named(crate):
    copy, record = crate
    assert findings() == []
    Path("results/split/train").write_text("others")
    assert str(copy) not in [file for _, file in findings()], "what is stale is named at its place"
    Path("results/split/train").write_text("events")
    copy.write_bytes(Path("results/split/train.provenance.json").read_bytes())
    assert findings() == [("other bytes", str(copy))]
    copy.write_text("{}")
    assert ("other bytes", str(copy)) in findings()
    copy.unlink()
    assert findings() == [("gone", str(copy))]


def test_a_copy_is_foreign_beside_what_a_job_wrote_and_where_that_is_a_copy_too(crate):
    copy, record = crate
    beside = copy.with_name("other.provenance.json")
    beside.write_bytes(copy.read_bytes())
    assert findings() == [("foreign", str(beside))]
    beside.unlink()
    moved = record.rename("results/cells/metadata.provenance.json")
    assert ("foreign", str(copy)) in findings() and ("foreign", str(moved)) in findings()


def test_what_a_kill_left_is_removed_and_what_a_job_still_writes_is_not(tree, monkeypatch, capsys):
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, cells = gone.stdout.strip(), Path("results/cells")
    marks = {f".{dead}.model": "", f".{os.getppid()}.model": "", ".former.model": ""}
    marks |= {".a.lease": f"{dead} {leases.place()} 00\n", ".b.lease": f"{os.getpid()} {leases.place()} 00\n"}
    marks |= {".c.lease": f"{dead} another machine 00\n"}
    for name, text in marks.items():
        (cells / name).write_text(text)
    monkeypatch.setattr(sys, "argv", ["verify", "results"])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    assert ended.value.code == 0 and capsys.readouterr().out.count("removed: ") == 3
    assert {p.name for p in cells.iterdir() if p.name in marks} == {f".{os.getppid()}.model", ".b.lease", ".c.lease"}


def test_a_folder_that_is_not_there_is_an_error(tree, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["verify", "result"])
    with pytest.raises(SystemExit, match="error: result: no such folder"):
        verify.main()


def test_a_finding_ends_with_1_and_says_how_many(tree, monkeypatch, capsys):
    Path("results/cells/model").write_text("weight")
    monkeypatch.setattr(sys, "argv", ["verify", "results"])
    with pytest.raises(SystemExit) as ended:
        verify.main()
    said = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1 and said[-1] == "error: 1 other bytes among 5 files, 2 records"
    assert said[0].startswith("other bytes: results/cells/model: not what its job wrote by results/cells/model.prov")
    assert json.loads(Path(f"results/code/{CODE}.json").read_text()) == MODULES
