"""What users name, where they stand and what lies there: names of every kind, a folder of their own, its files."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import ROOT, SKIP

STRANGE = "it's ü $(touch planted) `touch planted`;&|* $HOME {} {t-r}"
ROWS = ["user,item,day", *(f"u{u},i{(u * 7 + k) % 20:02},2020-01-{1 + 3 * k:02}" for u in range(30) for k in range(6))]
COLUMNS = {"user_id": "user", "item_id": "item", "timestamp": "day"}
CONFIG = {
    "data_root": STRANGE,
    "datasets": {"mine": {"source": "table", "interactions": f"{STRANGE}.csv", "columns": COLUMNS}},
    "protocols": {"leave_one_out": {}},
    "encoders": {"minilm": {}},
    "language_models": {
        "tiny": {"teacher": {"user": f"~/{STRANGE}.jsonl"}},
        "gpt": {"endpoint": "https://host/v1", "model": STRANGE, "key_variable": "THE_KEY"},
    },
    "backbones": {"popularity": {}, "biasmf": {}, "sasrec": {}},
    "representations": {"id": {}},
    "tables": {
        "one": {
            "title": STRANGE, "datasets": ["mine"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": ["popularity", "biasmf"]}],
        }
    },
}  # fmt: skip
RAW = "results/data/mine/interactions.parquet"


@pytest.fixture
def outside(tmp_path):
    """A working folder outside the checkout, both of strange names, and a function that runs snakemake there."""
    checkout, folder, home = (tmp_path / f"{name} {STRANGE}" for name in ("clone", "work", "home"))
    checkout = checkout.with_name(checkout.name.replace("{} {t-r}", ""))
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=SKIP)
    for place, name, text in ((folder / STRANGE, "csv", "\n".join(ROWS) + "\n"), (home, "jsonl", "{}\n")):
        place.mkdir(parents=True)
        (place / f"{STRANGE}.{name}").write_text(text)

    def run(*arguments, config=CONFIG):
        if config is not None:
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
        # -P: without it -m would import from the working folder, which the script `snakemake` does not
        command = [sys.executable, "-P", "-m", "snakemake", "--cores", "1", "--nocolor"]
        command += ["-s", f"{checkout}/Snakefile"]
        env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HOME": str(home)}
        done = subprocess.run([*command, *arguments], cwd=folder, env=env, capture_output=True, text=True)
        assert not list(tmp_path.rglob("planted")), "a name was run"
        return done

    run.checkout, run.folder = checkout, folder
    return run


def commands(done):
    """Return the words of every job's command that a dry run prints."""
    lines = (done.stdout + done.stderr).splitlines()
    return [shlex.split(line.partition(": ")[2]) for line in lines if line.startswith("Shell command: python")]


def test_names_of_every_kind_reach_the_jobs_as_they_are(outside):
    done = outside(RAW)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (
        f"{STRANGE}/{STRANGE}.csv"
        in json.loads((outside.folder / RAW).with_name("provenance.json").read_text())["inputs"]
    )
    target = "results/profiles/mine/leave_one_out/tiny/quality.csv"
    named = [word for words in commands(outside("--dry-run", "--printshellcmds", target)) for word in words]
    assert named.count(f"{outside.folder.parent}/home {STRANGE}/{STRANGE}.jsonl") == 2, "by instructions and quality"
    assert not any(word.startswith("~") for word in named)


def test_jobs_import_nothing_of_the_folder_they_run_in_nor_what_lies_beside_the_snakefile(outside):
    for name in ("random", "statistics", "datasets", "queue", "types", "torch", "ptebench", "polars"):
        for folder in (outside.folder, outside.checkout):
            (folder / f"{name}.py").write_text("raise SystemExit('imported from the working folder')\n")
    done = outside(RAW)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_configuration_of_the_working_folder_is_read_and_else_the_checkout_s(outside):
    done = outside("--dry-run", "-p")
    assert done.returncode == 0 and "biasmf" in done.stdout and "sasrec" not in done.stdout, done.stderr[-2000:]
    (outside.folder / "config.yaml").unlink()
    done = outside("--dry-run", "-p", config=None)
    assert done.returncode == 0 and "wildcards: dataset=shop" in done.stdout, done.stderr[-2000:]


def test_a_cell_that_two_blocks_share_counts_once(outside):
    table = CONFIG["tables"]["one"]
    rows = [*table["rows"], {"backbones": ["biasmf"]}]
    config = CONFIG | {"seeds": [0, 1], "tables": {"one": table | {"rows": rows}}}
    done = outside("--dry-run", "--printshellcmds", "results/tables/one.csv", config=config)
    (words,) = [words for words in commands(done) if words[2] == "workflow_scripts.table"]
    cells = json.loads(words[words.index("--spec") + 1])["cells"]
    assert [cell[2:] for cell in cells] == [["popularity", "id", [0]], ["biasmf", "id", [0, 1]]]


@pytest.mark.parametrize(
    "target, changes, said",
    [
        ("results/metrics/mine/leave_one_out/sasrec.csv", {}, "no table asks for sasrec on mine by leave_one_out"),
        ("tables", {"tables": {}}, "no table is asked for; define one under 'tables'"),
        ("references", {"tables": {}}, "no table is asked for"),
        ("results/tuning/mine/leave_one_out/biasmf/id/best.json", {}, "nothing of biasmf with id is tuned"),
        ("results/data/mine/impressions.parquet", {}, "error: No rule to produce"),
        ("results/data/mine/raw/behaviors.tsv", {}, "error: No rule to produce"),
        (RAW, {"data_root": "a {b} c"}, "Snakemake takes what stands in braces for a wildcard"),
        (
            "results/profiles/mine/leave_one_out/tiny/instructions/user.jsonl",
            {"language_models": {"tiny": {"teacher": {"user": "none.jsonl"}}}},
            "language_models.tiny.teacher.user: " + STRANGE + "/none.jsonl: no such file",
        ),
    ],
)
def test_what_cannot_be_made_ends_in_one_sentence(outside, target, changes, said):
    done = outside("--dry-run", target, config=CONFIG | changes)
    assert done.returncode != 0 and said in done.stdout + done.stderr, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_deployed_environment_s_python_runs(outside, tmp_path):
    """A stand-in for conda makes environments whose python leaves a trace and goes on with this one."""
    conda = tmp_path / "conda" / "bin"
    conda.mkdir(parents=True)
    trace = tmp_path / "trace"
    (conda / "activate").write_text('export PATH="$1/bin:$PATH" CONDA_PREFIX="$1"\n')
    (conda / "conda").write_text(
        f"""#!/bin/bash
case "$1 $2" in
  "info --json") echo '{{"conda_prefix": "{conda.parent}", "platform": "linux-64", "conda_version": "25.1.0"}}';;
  "--version ") echo "conda 25.1.0";;
  "config --get"|"config --show") echo '{{"get": {{"channel_priority": "strict"}}, "channel_priority": "strict"}}';;
  "env create")
    while [ $# -gt 0 ]; do [ "$1" = "--prefix" ] && p="$2"; shift; done
    mkdir -p "$p/bin" "$p/conda-meta"; touch "$p/conda-meta/history"
    printf '#!/bin/bash\\necho "$PYTHONPATH" >> {trace}\\nexec {sys.executable} "$@"\\n' > "$p/bin/python"
    chmod +x "$p/bin/python";;
  *) echo "{{}}";;
esac
"""
    )
    (conda / "conda").chmod(0o755)
    plain = tmp_path / "plain"
    plain.mkdir()
    shutil.copytree(ROOT, plain / "clone", symlinks=True, ignore=SKIP)
    shutil.copy(outside.folder / STRANGE / f"{STRANGE}.csv", plain / "raw.csv")
    dataset = CONFIG["datasets"]["mine"] | {"interactions": "raw.csv"}
    (plain / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"data_root": ".", "datasets": {"mine": dataset}}))
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nocolor", "-s", "clone/Snakefile", RAW]
    env = os.environ | {"PATH": f"{conda}:{os.environ['PATH']}", "PYTHONPATH": "/elsewhere"}
    done = subprocess.run([*command, "--sdm", "conda"], cwd=plain, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert trace.read_text() == f"{plain}/clone/imports\n"
