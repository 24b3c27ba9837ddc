"""What a run says on the terminal, of jobs that a stub stands in for."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml

from tests.workflow.conftest import ROOT, SKIP, planned, snakemake, stubbed
from tests.workflow.test_jobs import CONFIG

CELL = "cells/small/leave_one_out/biasmf/id/seed=0"
LOG = f"logs/results/{CELL}/train.log"


@pytest.fixture
def project(tmp_path):
    """A checkout with one small dataset and table, 14 jobs."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "raw").mkdir()
    (folder / "raw" / "sequences.txt").write_text("u i\n")
    return folder


def test_a_job_that_is_done_is_a_line_and_a_second_run_knows_how_long_it_takes(project):
    first = snakemake(project).stderr.splitlines()[1:]
    assert first[0] == "14 jobs on 2 cores" and len(first) == 16, first
    done = [line for line in first if re.match(r"\d+ of 14  ", line)]
    assert len(done) == 14 and done[0].startswith("1 of 14  interactions small, ")
    assert any("train small leave_one_out biasmf id seed=0, " in line for line in done)
    assert re.fullmatch(r"14 jobs done in \d+ s: results/tables/small.html", first[-1])
    for path in (project / "logs").rglob("*.tsv"):
        path.write_text("s\n30\n")
    assert "14 jobs on 2 cores; about 4 min left" in snakemake(project, "--forceall").stderr
    assert snakemake(project).stderr.splitlines()[1:] == [
        "Nothing to be done (all requested files are present and up to date)."
    ]
    whole = sorted((project / ".snakemake" / "log").iterdir())[0].read_text()
    assert "rule train:" in whole and "python -m workflow_scripts.train" in whole, "the log file has all as before"


def test_snakemake_s_own_text_is_an_option(project):
    said = snakemake(project, "--printshellcmds", "results/splits/small/leave_one_out/train.parquet").stderr
    assert "rule split:" in said and "python -m workflow_scripts.split" in said and " of 2  " not in said


def test_a_failure_is_its_error_line_and_its_log_and_is_told_at_the_end(project, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", f"--output model results/{CELL}")
    done = snakemake(project)
    said = done.stderr.splitlines()
    why = "train small leave_one_out biasmf id seed=0: train.parquet: the loss is not finite; lower learning_rate"
    assert done.returncode == 1 and f"failed: {why}" in said, said
    assert said[said.index(f"failed: {why}") + 1].strip() == LOG
    assert re.fullmatch(r"10 of 14 jobs done in \d+ s, 1 failed, 3 wait for these:", said[-4])
    assert said[-3:] == [f"  {why}", f"        {LOG}", "results/tables/small.html (rows that say failed: 1)"]
    assert not [line for line in said if "RuleException" in line or "workflow_scripts" in line or "epoch" in line]


def test_a_job_that_a_signal_ended_names_it_and_the_shell_says_nothing(project, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", f"--output model results/{CELL}")
    monkeypatch.setenv("STUB_SIGNAL", "11")
    said = snakemake(project).stderr.splitlines()
    assert "failed: train small leave_one_out biasmf id seed=0: killed by signal 11 (SIGSEGV)" in said, said
    assert not [line for line in said if "Segmentation fault" in line or "--spec" in line]
    told = (project / LOG).read_text()
    assert len(told) < 500 and "Segmentation fault" in told and told.endswith("error: killed by signal 11 (SIGSEGV)\n")
    assert ": killed by signal 11 (SIGSEGV)" in (project / "logs/failed.json").read_text()


def busy(project):
    """Return a run whose first job says something and then goes on for minutes."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor"]
    env = stubbed() | {"STUB_SLEEPS": "600"}
    run = subprocess.Popen(command, cwd=project, env=env, stderr=subprocess.PIPE, text=True, start_new_session=True)
    log = project / "logs/data/small/interactions.log"
    while not (log.exists() and log.read_text()):
        assert run.poll() is None
        time.sleep(0.1)
    return run


def test_ctrl_c_is_one_line(project):
    run = busy(project)
    os.killpg(run.pid, signal.SIGINT)
    said = run.communicate(timeout=60)[1].splitlines()
    assert run.returncode and said[1:] == [
        "14 jobs on 2 cores", "stopped after 0 of 14 jobs; the same command goes on from there"
    ]  # fmt: skip


def test_sigterm_is_no_failure_of_a_job(project):
    run = busy(project)
    os.killpg(run.pid, signal.SIGTERM)  # as `timeout` does
    said = run.communicate(timeout=60)[1].splitlines()
    first, *others, last = said[1:]
    assert run.returncode and first == "14 jobs on 2 cores", said
    assert sorted(others) == [
        "ended by SIGTERM: interactions small",
        "no more jobs begin; those that run are waited for (SIGTERM once more, or Ctrl-C, ends them)",
    ]
    assert last == "ended by SIGTERM after 0 of 14 jobs; the same command goes on from there"


def test_a_second_sigterm_ends_what_runs(project):
    run = busy(project)
    for _ in range(2):
        os.kill(run.pid, signal.SIGTERM)
        time.sleep(2)
    *others, last = run.communicate(timeout=60)[1].splitlines()[2:]
    told = {
        "no more jobs begin; those that run are waited for (SIGTERM once more, or Ctrl-C, ends them)",
        "ended by SIGTERM: interactions small",  # where the job is gone before the run is
    }
    assert run.returncode and others[0] in told and set(others) <= told, others
    assert last.endswith("after 0 of 14 jobs; the same command goes on from there")


def test_a_fault_of_the_configuration_is_one_sentence(project):
    said = snakemake(project, "--config", "ks=0").stderr.splitlines()[1:]
    assert said == ["error: config.yaml with --config ks: ks: expected a list, [0]"]


def test_what_cannot_be_made_is_one_sentence(project):
    for target, sentence in (
        (
            "table",
            "error: 'table' is no target; did you mean 'tables'? There are audit_published, audits, cells, crate, ",
        ),
        ("cell", "error: 'cell' is no target; did you mean 'cells'? There are "),
        ("all", "error: 'all' is no target. There are "),
        ("results/metrics/small/leave_one_out/nobody.csv", "error: No rule to produce results/metrics/small"),
        (
            "results/tuning/small/leave_one_out/biasmf/id/best.json",
            "error: nothing of biasmf with id is tuned; give one",
        ),
    ):
        said = snakemake(project, target).stderr.splitlines()[1:]
        assert len(said) == 1 and said[0].startswith(sentence), said


def test_a_fault_in_the_code_of_a_kind_is_one_sentence_before_any_job(project):
    file = project / "ptebench/recommenders/backbones/biasmf.py"
    code = file.read_text()
    for text, sentence in (
        (code.replace("):\n", ")\n"), r"line \d+: expected ':': class Backbone.*; mend the line or the one above"),
        (code + "import ptebench.recommenders.pear\n", r"line \d+: imports ptebench\.recommenders\.pear: no such file"),
        (
            None,
            r"no such file.*; jobs load it by its name: write it \(CONTRIBUTING\.md .*\), or name another kind than ",
        ),
    ):
        file.unlink()
        if text:
            assert text != code
            file.write_text(text)
        for options in ((), ("--dry-run",)):
            done = snakemake(project, *options)
            said = [line for line in (done.stdout + done.stderr).splitlines() if " profile " not in line]
            assert len(said) == 1, said
            assert re.match(rf"error: ptebench/recommenders/backbones/biasmf\.py: {sentence}", said[0])
        file.write_text(code)


def edit(path, old, new):
    text = path.read_text()
    assert old in text, f"{path}: {old!r} is gone; mend the test"
    path.write_text(text.replace(old, new, 1))


def test_a_dry_run_says_in_ten_lines_what_would_run_why_how_long_and_how_much_disk(project):
    new = snakemake(project, "-n").stdout.splitlines()
    assert new[0].startswith("14 jobs: interactions 1, ") and "train 3" in new[0]
    assert new[1:3] == ["why   all are not made yet", "time  not known"] and new[3].startswith("disk  not known, ")
    assert len(new) == 5 and not (project / "results").exists()

    assert snakemake(project).returncode == 0
    for path in (project / "logs").rglob("*.tsv"):
        path.write_text("s\n60\n")
    edit(project / "config.yaml", "epochs: 2", "epochs: 3")
    edit(project / "ptebench/recommenders/backbones/markov.py", "import", "X = 1\nimport")
    (project / "results/splits/small/leave_one_out/groups.parquet").unlink()
    said = snakemake(project, "-n").stdout.splitlines()
    assert len(said) <= 10, said
    assert any(
        line.endswith("1 train, 1 rank (small, leave_one_out, biasmf, id, 0): backbone.epochs 2 -> 3") for line in said
    )
    assert any(
        line.endswith("(small, leave_one_out, markov, id, 0): ptebench/recommenders/backbones/markov.py changed")
        for line in said
    )
    assert any(
        "1 split (small, leave_one_out): results/splits/small/leave_one_out/groups.parquet is gone" in line
        for line in said
    )
    assert any(re.fullmatch(r"      .*1 table.* read what these make", line) for line in said)
    assert any(re.fullmatch(r"time  about \d min on 2 cores, by earlier runs", line) for line in said)
    assert any(re.fullmatch(r"disk  about 0.0 MB written, .* GB free", line) for line in said)
    assert snakemake(project, "-n", "download").stdout.splitlines()[:2] == [
        "1 job: download 1",
        "why   asked for by name",
    ]


def test_a_failed_cell_takes_no_table_and_the_next_run_makes_it_whole(project, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", f"--output model results/{CELL}")
    assert snakemake(project, "--config", "strict=true").returncode == 1
    assert not (project / "results/tables/small.md").exists() and not (project / "logs/failed.json").exists()

    done = snakemake(project)
    assert done.returncode == 1 and (project / "results/tables/small.md").exists(), done.stderr
    (folder, failure), *others = json.loads((project / "logs/failed.json").read_text()).items()
    assert folder == f"results/{CELL}" and failure["log"] == LOG and not others
    assert not (project / "results/metrics/small/leave_one_out/biasmf.csv").exists()
    command = sorted((project / ".snakemake/log").iterdir())[-1].read_text()
    assert '"failed":[{"backbone":"biasmf"' in command and '["small","leave_one_out","biasmf"' not in command

    again = snakemake(project, "--printshellcmds")
    assert again.returncode == 1 and again.stderr.rstrip().endswith("At least one job did not complete successfully.")
    assert "\nresults/tables/small.html (rows that say failed: 1)\n" in again.stderr
    monkeypatch.delenv("STUB_FAILS")
    assert planned(project) == {"train": 1, "rank": 1, "metrics": 1, "table": 1}
    assert snakemake(project).returncode == 0 and planned(project) == {}


def test_results_that_no_job_can_make_any_more_are_named(project):
    assert snakemake(project).returncode == 0
    (project / "raw" / "sequences.txt").unlink()
    for arguments in ((), ("--dry-run",), ("--dry-run", "--forcerun", "split")):
        done = snakemake(project, *arguments)
        said = done.stdout + done.stderr
        assert "taken as it is, since no job can make it: results/data/small/interactions.parquet" in said, said
        assert "sequences.txt" in said


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        (
            "sequences.txt",
            "sequenzes.txt",
            "sequences is raw/sequenzes.txt, but it was made from raw/sequences.txt; correct it",
        ),
        ("source: sequences", "source: sequences\n    user_core: 7", "user_core 0 -> 7 since it was made; set it back"),
    ],
)
def test_data_of_another_path_or_setting_are_not_taken_where_no_job_can_make_them(
    project, monkeypatch, old, new, difference
):
    assert snakemake(project).returncode == 0
    (project / "raw" / "sequences.txt").unlink()
    edit(project / "config.yaml", old, new)
    for arguments in ((), ("--dry-run",), ("report",), ("--printshellcmds",)):
        done = snakemake(project, *arguments)
        said = done.stdout + done.stderr
        assert done.returncode == 1 and "Nothing" not in said and "taken as it is" not in said, said
        assert "results/data/small/interactions.parquet: no job can make it anew (" in said, said
        assert f"), and datasets: small: {difference}" in said, said
        assert arguments == ("--printshellcmds",) or "  File " not in said, said
    assert "no job can make" not in snakemake(project, "download").stderr, "what fetches the files is not refused"
    monkeypatch.setenv("PTEBENCH_PLAN", "1")
    done = snakemake(project, "--dry-run")
    asked = done.stdout + done.stderr
    assert "stale: results/data/small/interactions.parquet: " in asked, asked  # a stub's record tells nothing


def test_a_model_of_former_settings_is_not_ranked_where_its_training_is_refused(project):
    config = CONFIG | {
        "encoders": {"minilm": {}},
        "representations": {"card": {}},
        "tables": {"small": CONFIG["tables"]["small"] | {
            "rows": [{"backbones": ["biasmf"], "representations": ["card"]}],
        }},
    }  # fmt: skip
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    assert snakemake(project).returncode == 0
    model = project / "results/cells/small/leave_one_out/biasmf/card/seed=0/model.safetensors"
    before = model.read_bytes()
    more = {"texts": {"tastes": {"item": "nope.jsonl", "saw": "nothing"}}}
    more["representations"] = {"card": {"kind": "pte", "text": "tastes"}}
    (project / "config.yaml").write_text(yaml.safe_dump(config | more))
    done = snakemake(project)
    said = done.stdout + done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and "nope.jsonl: no such file" in error, said
    assert "rank small" not in said and model.read_bytes() == before


def test_a_report_after_a_failed_cell_is_made_of_the_tables_without_it_or_said_to_be_old(project, monkeypatch):
    assert snakemake(project, "report").returncode == 0
    page = project / "results/report/index.html"
    page.write_text("old")
    edit(project / "config.yaml", "epochs: 2", "epochs: 3")
    monkeypatch.setenv("STUB_FAILS", f"--output model results/{CELL}")
    failed = snakemake(project, "report")
    assert failed.returncode == 1 and failed.stderr.splitlines()[-1] == "results/report/index.html", failed.stderr
    assert page.read_text() != "old"
    command = sorted((project / ".snakemake/log").iterdir())[-1].read_text()
    assert "--run 'snakemake --cores all' " in command, "that pages show is without what a run's end adds"
    monkeypatch.setenv("STUB_FAILS", "--output metrics results/metrics")
    edit(project / "config.yaml", "epochs: 3", "epochs: 4")
    failed = snakemake(project, "report", "--forcerun", "metrics")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1] == "results/report/index.html is of an earlier run", failed.stderr


def test_a_target_that_nothing_asks_for_says_what_would(project):
    for target, sentence in (
        ("profiles", "no row of a table reads profiles; name a text"),
        ("audits", "no row of a table reads what GRPO made; name a text LANGUAGE_MODEL.grpo"),
        ("information", "no analysis is asked for"),
    ):
        done = snakemake(project, target, "-n")
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("Using ")]
        assert done.returncode and len(said) == 1 and said[0].startswith(f"error: {sentence}"), said
