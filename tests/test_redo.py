"""Remaking what a record tells of: which records, refusals, the bytes compared."""

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from ptebench import redo
from ptebench.errors import InputError
from ptebench.provenance import checkout, file_digest, processor

CURVE = "epoch,loss,seconds\n1,0.5,{}\n"


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """A folder with a model, its curve and their record, and the fields of the record."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cell"
    folder.mkdir()
    (tmp_path / "train.parquet").write_text("events")
    (folder / "model").write_text("weights")
    (folder / "training.csv").write_text(CURVE.format(3))
    outputs = {f"cell/{name}": file_digest(folder / name) for name in ("model", "training.csv")}
    words = ["python", "-m", "workflow_scripts.train", "--spec", "{}", "--output", "model", "cell/model"]
    words += ["--output", "curve", "cell/training.csv", "--provenance", "cell/provenance.json"]
    record = {
        "command": shlex.join(words), "outputs": outputs, "inputs": {"train.parquet": file_digest(tmp_path / "train.parquet")},
        "spec": {}, "threads": 1, "started": "2026-01-01T00:00:00Z", "checkout": checkout(), "processor": processor(),
    }  # fmt: skip

    def write(name="provenance.json", **changes):
        (folder / name).write_text(json.dumps(record | changes))
        return folder

    write.record = record
    return write


@pytest.fixture
def job(monkeypatch):
    """A job that writes what it is told to, in the place of the one of the command."""
    texts = {"model": "weights", "training.csv": CURVE.format(7)}

    def run(command, env):
        assert env["OMP_NUM_THREADS"] == "1" and command[1:3] == ["-m", "workflow_scripts.train"]
        for place, word in enumerate(command):
            if word == "--output":
                path = redo.Path(command[place + 2])
                path.write_text(texts[path.name])
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(redo, "subprocess", SimpleNamespace(run=run))
    return texts


def test_the_same_bytes_but_for_the_seconds_of_a_curve(cell, job, tmp_path, capsys):
    assert redo.redo([cell()], tmp_path / "aside")
    assert capsys.readouterr().out.splitlines() == ["cell/model: the same bytes", "cell/training.csv: the same bytes"]
    assert (tmp_path / "aside/cell/model").read_text() == "weights", "nothing is written but aside"
    job["training.csv"] = CURVE.format(7).replace("0.5", "0.6")
    assert not redo.redo([cell()], tmp_path / "aside")


def test_other_bytes_are_told_with_what_else_is_other(cell, job, tmp_path, capsys):
    job["model"] = "others"
    then = {"checkout": {"commit": "abc", "clean": False}, "processor": "Some CPU"}
    assert not redo.redo([cell(**then)], tmp_path / "aside")
    said = capsys.readouterr().out
    assert "cell/model: other bytes" in said and f"  processor: then Some CPU, now {processor()}" in said
    assert "commit: then abc, now" in said and "changes then that are in no commit" in said
    assert not redo.redo([cell()], tmp_path / "aside")


def test_records_come_in_the_order_in_which_they_were_made(cell):
    cell("ranks.provenance.json", started="2026-01-01T00:01:00Z")
    cell("a.provenance.json", started="2026-01-01T00:02:00Z")
    assert [path.name for path, _ in redo.records([cell()])] == [
        "provenance.json",
        "ranks.provenance.json",
        "a.provenance.json",
    ]


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"inputs": {"none.parquet": "0"}}, "its input none.parquet is not there"),
        ({"inputs": {"train.parquet": "0"}}, "its input train.parquet has changed since"),
        ({"spec": {"endpoint": {}}}, "would be asked and paid again"),
    ],
)
def test_what_cannot_be_remade_is_refused(cell, job, tmp_path, changes, said):
    with pytest.raises(InputError, match=said):
        redo.redo([cell(**changes)], tmp_path / "aside")


def test_a_folder_without_a_record_and_a_record_without_a_command_are_refused(cell, tmp_path):
    del cell.record["command"]
    for place, said in (
        (cell(), "has no command"),
        (tmp_path, "no record there"),
        (tmp_path / "none", "no record there"),
        (Path(__file__), "no record; name the one that stands beside it"),
    ):
        with pytest.raises(InputError, match=said):
            redo.records([place])
