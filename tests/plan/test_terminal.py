"""The lines of a run: what is told of logs and errors, the status line, and a handler that never breaks a run."""

import io
import logging
import re
import shutil
import sys
import time
from types import SimpleNamespace

import pytest

from ptebench.plan import terminal as module
from ptebench.plan.logs import progress, reason
from ptebench.plan.sentences import sentence
from ptebench.plan.terminal import attach
from tests.plan.test_estimates import Dag, Job

OURS = """InputFunctionException in rule metrics in file "/x y/rules/report.smk", line 4:
Error:
  InputError: no table asks for biasmf; name it
Wildcards:
  dataset=shop
Traceback:
  File "/x y/imports/ptebench/plan/reporting.py", line 63, in metric_inputs
  File "/x y/imports/ptebench/plan/reporting.py", line 55, in _cells (rule metrics, line 4, /x y/rules/report.smk)"""


FAULT = """Traceback (most recent call last):
  File "/x/ptebench/imports/workflow_scripts/train.py", line 9, in <module>
    run(main)
  File "/x/ptebench/imports/ptebench/recommenders/backbones/tinymf.py", line 24, in loss
    u = users[0]
  File "/x/ptebench/.venv/lib/python3.11/site-packages/torch/module.py", line 3, in forward
TypeError: no index
"""


@pytest.mark.parametrize(
    "message, said",
    [
        (OURS, "error: no table asks for biasmf; name it"),
        ('WorkflowError in file "/a/common.smk", line 46:\nc.yaml: tabels: unknown\n  File "/a/b.smk", line 3, in <module>', "error: c.yaml: tabels: unknown"),
        ("MissingRuleException:\nNo rule to produce x (if you use input functions make sure that they don't raise).", "error: No rule to produce x. Paths are listed in docs/guide/files.md, targets in docs/guide/use.md, names in the configuration."),
        ('NameError in file "/a/Snakefile", line 5:\nname \'x\' is not defined\n  File "/a/Snakefile", line 5, in <module>', 'error: NameError in file "/a/Snakefile", line 5:\nname \'x\' is not defined'),
        ("Traceback (most recent call last):\n  File \"/a.py\", line 1\nKeyError: 'x'", "Traceback (most recent call last):\n  File \"/a.py\", line 1\nKeyError: 'x'"),
    ],
    ids=["a function of the plan", "the configuration", "a target", "a fault of the rules", "a fault of Snakemake"],
)  # fmt: skip
def test_an_error_is_told_without_the_way_that_it_came(message, said):
    assert sentence(message) == said


def test_what_is_a_command_of_its_own_and_no_target_is_told_so():
    said = sentence("MissingRuleException:\nNo rule to produce redo (if you use input functions", ["redo"], ["report"])
    assert said == "error: 'redo' is no target but a command of its own: python -m ptebench.redo --help"


def test_a_full_disk_under_snakemake_itself_is_told_as_one_under_a_job():
    said = sentence("Error recording metadata for finished job ([Errno 28] No space left on device). Please ensure")
    assert re.fullmatch(r"error: \.snakemake: the disk is full \(.* MB free\); make room there and run again", said)


def test_a_job_that_has_no_room_for_its_log_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**6, 10**6, 0))
    (tmp_path / "x.log").touch()
    assert reason(tmp_path / "x.log") == "ended without a word; the disk is full"


@pytest.mark.parametrize(
    "text, said",
    [
        ("epoch 1/9\nerror: x.csv: line 2: no user\n", "x.csv: line 2: no user"),
        ("Traceback (most recent call last):\n  File\nValueError: no\n", "ValueError: no"),
        (FAULT, "TypeError: no index (ptebench/recommenders/backbones/tinymf.py line 24)"),
        ("torch.OutOfMemoryError: CUDA\n", "torch.OutOfMemoryError: CUDA"),
        ("epoch 1/9\n", "ended without an error; its last words: epoch 1/9"),
        ("epoch 1/9\n/a.py:3: FutureWarning: `x` is old\n  warnings.warn(f\"`{x}` is old\")\n", "ended without an error; its last words: epoch 1/9"),
        ("/a.py:3: UserWarning: old\n  warnings.warn(\n", "ended without an error"),
        ("epoch 1/9\nbash: line 1: 7 Killed  command python\nerror: killed by signal 9 (SIGKILL)\n", "killed by signal 9 (SIGKILL), perhaps for its memory"),
        ("epoch 1/9\nerror: killed by signal 11 (SIGSEGV)\n", "killed by signal 11 (SIGSEGV)"),
        ("", "ended without a word"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_the_error_line_of_its_log(tmp_path, text, said):
    (tmp_path / "x.log").write_text(text)
    assert reason(tmp_path / "x.log") == said


@pytest.mark.parametrize(
    "text, said",
    [
        ("epoch 1/9  loss 5\nepoch 2/9  loss 4\n", "epoch 2/9  loss 4"),
        ("answers: 3 of 9\nLoading:   0%|  | 0/20\rLoading: 100%|##| 20/20\n", "answers: 3 of 9"),
        ("{'loss': '1.075', 'grad_norm': '1.9', 'epoch': '0.08'}\n  warnings.warn(\n", "epoch 0.08, loss 1.075"),
        ("epoch 1/9\nTraceback (most recent call last):\n  File\nKeyboardInterrupt\n", "epoch 1/9"),
        ("", ""),
    ],
)
def test_the_last_line_of_a_log_tells_how_far_a_job_is(tmp_path, text, said):
    (tmp_path / "x.log").write_text(text)
    assert progress(tmp_path / "x.log") == said


CORES = SimpleNamespace(is_evaluable=lambda: False, value=1)


class Screen(io.StringIO):
    def isatty(self):
        return True


def job(name, tmp_path):
    return Job(
        rule=SimpleNamespace(name=name, benchmark=None, output=[], resources={"_cores": CORES}), wildcards_dict={"backbone": "a", "seed": "0"},
        benchmark=None, threads=1, is_norun=False, input=[], output=[f"{name}.html"], log=[str(tmp_path / f"{name}.log")],
    )  # fmt: skip


@pytest.fixture
def logger():
    """Snakemake's logger with its own handler of the terminal, as it was before and as it is after."""
    logger = logging.getLogger("snakemake.logging")
    before, level, hook = logger.handlers[:], logger.level, sys.excepthook
    logger.handlers[:] = [logging.StreamHandler(io.StringIO())]
    logger.handlers[0].name, logger.level = "DefaultStreamHandler", logging.INFO
    yield logger
    logger.handlers[:], logger.level, sys.excepthook = before, level, hook


@pytest.fixture
def flow(tmp_path):
    """A workflow of Snakemake as far as a Terminal reads it: two jobs in a chain."""
    settings = SimpleNamespace(printshellcmds=False, verbose=False, debug_dag=False, quiet=None, dryrun=False)
    dag = Dag([job("train", tmp_path), job("table", tmp_path)], [])
    mode, nodes = SimpleNamespace(name="DEFAULT"), SimpleNamespace(nodes=None)
    return SimpleNamespace(
        dag=dag, cores=2, resource_settings=nodes, output_settings=settings, exec_mode=mode, rules=[],
        dag_settings=SimpleNamespace(targets=frozenset()),
    )  # fmt: skip


def log(logger, event, **fields):
    logger.info("text", extra={"event": event, **fields})


def test_a_fault_before_there_is_a_plan_is_a_sentence(logger, flow):
    stream, flow.dag_settings = logger.handlers[0].stream, None
    attach(flow)
    logger.error('WorkflowError in file "/c/rules/common.smk", line 66:\nown.yaml: ks: unknown key\n  File "x", line 6')
    assert stream.getvalue() == "error: own.yaml: ks: unknown key\n"


def test_a_terminal_has_one_line_that_is_written_anew(logger, flow, tmp_path):
    screen = logger.handlers[0].stream = Screen()
    terminal = attach(flow)
    log(logger, "run_info")
    log(logger, "job_info", jobid=0)
    (tmp_path / "train.log").write_text("epoch 7/9  NDCG@10 0.5\n")
    with terminal.lock:
        terminal.status()
    assert screen.getvalue().endswith("\r\x1b[K0 of 2; train a seed=0, 0 s: epoch 7/9  NDCG@10 0.5")
    (tmp_path / "train.log").write_text("epoch 7/9, at most 90 s left\n")
    for left, rest in ((60.0, ""), (95.0, "; about 95 s left")):  # a job that has more knows better
        with terminal.lock:
            terminal.left, terminal.rest = left, f"; about {left:.0f} s left"
            terminal.estimated = time.monotonic()
            terminal.status()
        assert screen.getvalue().endswith(f"0 of 2{rest}; train a seed=0, 0 s: epoch 7/9, at most 90 s left")
    terminal.rest, terminal.estimated = "", 0.0
    log(logger, "job_finished", job_id=0)
    log(logger, "job_info", jobid=1)
    log(logger, "job_finished", job_id=1)
    terminal.end()
    assert screen.getvalue().endswith("\r\x1b[K2 jobs done in 0 s: train.html, table.html\n")
    assert screen.getvalue().count("\n") == 2


def test_without_a_terminal_a_line_says_now_and_then_what_runs(logger, flow, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "QUIET", 0.5)
    (tmp_path / "train.log").write_text("prompts: 6 of 9 answered\n")
    terminal = attach(flow)
    log(logger, "run_info")
    log(logger, "job_info", jobid=0)
    log(logger, "job_info", jobid=1)
    time.sleep(2.5)
    terminal.end()
    lines = terminal.stream.getvalue().splitlines()
    assert lines[0] == "2 jobs on 2 cores" and 2 <= len(lines[1:-1]) <= 3
    assert re.fullmatch(r"0 of 2; train a seed=0, [12] s: prompts: 6 of 9 answered \(and 1 more\)", lines[1])


def test_a_handler_that_fails_gives_the_terminal_back_and_the_run_goes_on(logger, flow):
    plain = logger.handlers[0]
    terminal = attach(flow)
    assert logger.handlers == [terminal]
    del flow.dag.depending
    log(logger, "run_info")
    log(logger, "job_info", jobid=0)
    assert logger.handlers == [plain] and plain.stream.getvalue().count("AttributeError") == 1
    assert plain.stream.getvalue().endswith("text\ntext\n"), "what it could not tell is told by Snakemake's"
    terminal.end()


def test_a_run_that_is_told_to_end_says_once_that_it_waits_and_at_its_end_how_far_it_came(logger, flow):
    terminal = attach(flow)
    log(logger, "run_info")
    log(logger, "job_info", jobid=0)
    for _ in range(3):
        logger.info("Will exit after finishing currently running jobs (scheduler).")
    log(logger, "job_finished", job_id=0)
    terminal.end()
    logger.error("WorkflowError:\nAt least one job did not complete successfully.")
    assert terminal.stream.getvalue().splitlines()[1:] == [
        "no more jobs begin; those that run are waited for (SIGTERM once more, or Ctrl-C, ends them)",
        "1 of 2  train a seed=0, 0 s",
        "ended by SIGTERM after 1 of 2 jobs; the same command goes on from there",
    ]


@pytest.mark.parametrize("text", ["epoch 1/9\n", "epoch 1/9\nerror: killed by signal 15 (SIGTERM)\n", ""])
def test_a_job_that_ends_with_its_run_by_sigterm_has_not_failed(logger, flow, tmp_path, text):
    (tmp_path / "train.log").write_text(text)
    terminal, flow.scheduler = attach(flow), SimpleNamespace(_user_kill=None)
    log(logger, "run_info")
    log(logger, "job_info", jobid=0)
    log(logger, "job_error", jobid=0)
    flow.scheduler._user_kill = "graceful"  # often only now
    logger.info("Will exit after finishing currently running jobs (scheduler).")
    terminal.end()
    assert terminal.stream.getvalue().splitlines()[1:] == [
        "ended by SIGTERM: train a seed=0",
        "no more jobs begin; those that run are waited for (SIGTERM once more, or Ctrl-C, ends them)",
        "ended by SIGTERM after 0 of 2 jobs; the same command goes on from there",
    ]


@pytest.mark.parametrize(
    "text, why", [("error: x.csv: no user", "x.csv: no user"), ("epoch 1", "ended without an error")]
)
def test_a_failure_of_its_own_is_told_whether_the_run_is_told_to_end_or_not(logger, flow, tmp_path, text, why):
    (tmp_path / "train.log").write_text(f"{text}\n")
    terminal, flow.scheduler = attach(flow), SimpleNamespace(_user_kill=None if text == "epoch 1" else "graceful")
    log(logger, "run_info")
    log(logger, "job_error", jobid=0)
    terminal.end()
    said = terminal.stream.getvalue()
    assert said.count(f"failed: train a seed=0: {why}") == 1 and "1 failed, 1 wait for these:" in said


def test_where_a_result_can_be_made_no_more_nothing_is_said_to_be_up_to_date(logger, flow, monkeypatch):
    terminal = attach(flow)
    for lines, said in (([], "Nothing to be done (all"), (["taken as it is: x"], "taken as it is: x\nNothing else is")):
        terminal.stream = io.StringIO()
        monkeypatch.setattr(module, "warnings", lambda workflow, lines=lines: lines)
        logger.info("Nothing to be done (all requested files are present and up to date).")
        assert terminal.stream.getvalue().startswith(said)
    assert "up to date" not in terminal.stream.getvalue()


def test_what_exports_wrote_is_named(logger, flow):
    terminal, (_, table) = attach(flow), flow.dag.jobs
    table.output[:] = ["results/exports/a/b/train.csv", "results/exports/a/b/test.csv"]
    log(logger, "run_info")
    for number in (0, 1):
        log(logger, "job_info", jobid=number)
        log(logger, "job_finished", job_id=number)
    terminal.end()
    assert terminal.stream.getvalue().endswith("2 jobs done in 0 s: train.html, results/exports/a/b/\n")


def test_a_note_in_the_log_of_a_job_is_told(logger, flow, tmp_path):
    (tmp_path / "train.log").write_text("reading\nnote: texts of mine: 40 of 5,521 items\nitem vectors: 40\n")
    terminal = attach(flow)
    flow.dag.jobs[1].log[:] = flow.dag.jobs[0].log
    log(logger, "run_info")
    log(logger, "job_finished", job_id=0)
    log(logger, "job_finished", job_id=1)
    terminal.end()
    said = terminal.stream.getvalue().splitlines()
    assert said[1] == "note: texts of mine: 40 of 5,521 items", said
    assert sum(line.startswith("note: ") for line in said) == 1, "what two jobs know is told once"


@pytest.mark.parametrize("option", ["printshellcmds", "verbose", "debug_dag", "quiet"])
def test_snakemake_s_own_text_stays_where_it_is_asked_for(logger, flow, option):
    before = logger.handlers[:]
    setattr(flow.output_settings, option, True)
    attach(flow).end()
    assert logger.handlers == before


def test_a_process_that_snakemake_starts_for_a_job_writes_as_before(logger, flow):
    before, flow.exec_mode.name = logger.handlers[:], "REMOTE"
    attach(flow)
    assert logger.handlers == before
