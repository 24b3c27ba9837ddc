"""The command line of a job: what a shell makes of it, and its record."""

import shlex
import subprocess

import pytest

from ptebench.errors import InputError
from ptebench.plan.command import files, inputs_of, job, recorded, render_command

ODD = ["a b", "it's", "$(touch x)", "a;b", "a&b", "ü", "{x}", '"', "~", "a\nb", "*", "!x", "a\\b", "#", "{a,b}"]


@pytest.mark.parametrize("name", ODD)
def test_a_shell_sees_every_path_as_it_is(name, tmp_path):
    line = files({}, {"one": name, "many": [name, f"{name}/2"]}, {"made": name, "provenance": f"{name}.json"})
    words = ["--input", "one", name, "--input", "many", name, f"{name}/2", "--output", "made", name]
    words += ["--provenance", f"{name}.json"]
    assert shlex.split(line) == words
    done = subprocess.run(f"printf '%s\\n' {line}", shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "".join(f"{word}\n" for word in words) and not list(tmp_path.iterdir())


def test_no_path_is_taken_for_an_option():
    assert files({}, {"one": "-n.csv"}, {"provenance": "--p"}) == "--input one ./-n.csv --provenance ./--p"


def test_the_paths_of_many_cells_are_one_short_word_that_bash_expands():
    cells = [(p, b, s) for p in ("loo", "cold") for b in ("ncf", "ease", "ncf") for s in range(10)]
    paths = [f"results/cells/mine/{p}/{b}/id/seed={s}/ranks.parquet" for p, b, s in dict.fromkeys(cells)]
    many = [
        f"results/cells/d{d}/loo/sasrec/r{r}/seed={s}/ranks.parquet"
        for d in range(10)
        for r in range(17)
        for s in range(10)
    ]
    mixed = [*paths[:3], "results/cells/mine/loo/ease/ranks.parquet"]
    odd = [*paths[:3], "results/cells/mine/loo/e s/id/seed=0/ranks.parquet"]
    for wanted in (paths, many, mixed, odd, paths[:1], paths[:1] * 2):
        line = files({}, {"ranks": wanted}, {"provenance": "p"})
        done = subprocess.run(["bash", "-c", f"printf '%s\n' {line}"], capture_output=True, text=True)
        assert done.stdout.splitlines() == ["--input", "ranks", *wanted, "--provenance", "p"]
    assert len(files({}, {"ranks": many}, {"provenance": "p"})) < 20_000 < 80_000 < len(" ".join(many))


def test_a_command_that_linux_would_not_take_is_refused():
    line = job("table", lambda wildcards: {"cells": ["x" * 100] * wildcards})["files"]
    assert line(1000, {}, {"provenance": "p"}) == "--provenance p"
    with pytest.raises(InputError, match=r"table: settings and files have 123,\d\d\d bytes, .*; part the table"):
        line(1200, {}, {"provenance": "p"})


def test_a_name_that_snakemake_keeps_to_itself_ends_in_an_underscore():
    assert files({}, {"items_": "i"}, {"provenance": "p"}) == "--input items i --provenance p"


def test_an_input_without_files_is_still_named():
    assert files({}, {"before": []}, {"provenance": "p"}) == "--input before --provenance p"


def test_a_command_tells_its_inputs_by_key():
    inputs = {"items_": "-n.csv", "ranks": ["a b", "c"], "before": []}
    line = job("report", run="snakemake --cores all --config ks=[1]")["files"](
        {}, inputs, {"made": "m", "provenance": "p"}
    )
    assert inputs_of(["python", *shlex.split(line)]) == {"items": ["-n.csv"], "ranks": ["a b", "c"], "before": []}
    assert shlex.split(line)[:2] == ["--run", "snakemake --cores all --config ks=[1]"]


def test_a_record_stands_beside_the_first_output():
    assert recorded(metrics="a/metrics.csv", other="b")["provenance"] == "a/metrics.provenance.json"
    assert recorded("a/provenance.json", model="a/model.safetensors")["provenance"] == "a/provenance.json"


def test_a_rerun_compares_settings_by_value_and_the_code_of_what_is_loaded_by_name():
    params = job("rank", lambda wildcards: {"b": 1, "a": wildcards}, lambda wildcards: [wildcards])
    assert params["spec"]("x") == '{"a":"x","b":1}'
    of = [params["code"](f"ptebench.recommenders.backbones.{name}") for name in ("biasmf", "sasrec", "biasmf")]
    assert of[0] == of[2] != of[1]
    assert job("rank")["spec"]("x") == "{}"


def test_the_command_of_a_run_finds_the_snakefile_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert render_command(tmp_path / "Snakefile", [], {}) == "snakemake --cores all"
    command = render_command(tmp_path / "a b/Snakefile", ["own.yaml"], {"data_root": "."})
    assert shlex.split(command)[3:7] == ["-s", f"{tmp_path}/a b/Snakefile", "--configfile", "own.yaml"]
