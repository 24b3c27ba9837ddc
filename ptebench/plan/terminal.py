"""What a run says: how far it is, what runs, what failed; Snakemake's own text comes with --printshellcmds.

Snakemake logs by Python's `logging`. `attach` puts a handler in the place of the one that writes to the terminal, and
gives the place back where it fails: no run ends because of what it says.
"""

import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ptebench.plan.estimates import Estimates, Work, duration
from ptebench.plan.logs import TERMINATED, ending, progress, reason
from ptebench.plan.orphans import differing, warnings
from ptebench.plan.preview import counted, preview
from ptebench.plan.recall import stale
from ptebench.plan.sentences import PLACE, sentence, targets
from ptebench.verify import PLAN, STALE

QUIET = 15.0  # seconds without a word, after which a line tells what runs
LEFT = re.compile(r"(?:about|at most) ([\d,]+) s left")  # of a job, by its log
FRESH = 5.0  # seconds that an estimate of the rest stands
INTERRUPTED = "Terminating processes on user request"
STOPPING = "Will exit after finishing"
NOTHING = "Nothing to be done"
TOLD = (NOTHING, "Trying to restart", "Unlocked", "Job rate limit")
AFTER_FAILURE = ("Exiting because a job execution failed", "WorkflowError:\nAt least one job did not complete")
END = " (SIGTERM once more, or Ctrl-C, ends them)"
NOTE = "note: "  # begins a line of a job's log that the terminal shows, too
NUMERIC = ("seed", "round", "shard", "trial", "bracket", "rung", "place")


class Failure(NamedTuple):
    """A job that failed: what it was, its error line, its log."""

    job: str
    reason: str
    log: str


def label(job: Any) -> str:
    """Return a job in words: its rule and wildcards, numbers with their names."""
    words = (f"{name}={value}" if name in NUMERIC else value for name, value in job.wildcards_dict.items())
    return " ".join([job.rule.name, *words])


def there(files: Iterable[str]) -> bool:
    """Return whether files are all there."""
    return all(map(os.path.lexists, files))


def told_to_end(workflow: Any) -> bool:
    """Return whether SIGTERM told a run to end; Snakemake knows it when its main thread next wakes."""
    return bool(getattr(getattr(workflow, "scheduler", None), "_user_kill", None))


class Terminal(logging.Handler):
    """Tells of a run in the lines that one needs, on a terminal in one line that is written anew.

    workflow: Snakemake's. plain: Snakemake's own handler, which writes to the same stream if this one fails.
    """

    def __init__(self, workflow: Any, plain: logging.StreamHandler[Any]):
        super().__init__()
        self.workflow, self.plain, self.stream = workflow, plain, plain.stream
        self.on_terminal = bool(getattr(self.stream, "isatty", lambda: False)())
        self.work: Work | None = None
        self.running: dict[int, float] = {}
        self.done: set[int] = set()
        self.failures: list[Failure] = []
        self.untold: list[Failure] = []  # of these, those of which no line is written yet
        self.outputs: list[str] = []
        self.notes: set[str] = set()
        self.interrupted = self.stopping = self.foreseen = False
        self.began = self.last_line = self.estimated = time.monotonic()
        self.rest, self.left = "", 0.0
        self.ended = threading.Event()

    # what Snakemake logs

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of what Snakemake logs, or hand over to Snakemake's own handler for the rest of the run."""
        try:
            self.take(record)
        except Exception as error:
            self.give_back(error)
            self.plain.handle(record)

    def take(self, record: logging.LogRecord) -> None:
        """Tell of one record."""
        event = str(getattr(record, "event", None) or "")
        if event in ("", "error"):
            self.message(record)
        elif self.workflow.output_settings.dryrun:
            self.foresee(event)
        elif event in (handlers := {"run_info": self.begin, "job_info": self.start, "job_finished": self.finish}):
            handlers[event](record)
        elif event == "job_error":
            self.fail(record)

    def give_back(self, error: Exception) -> None:
        """Put Snakemake's own handler back, with one line that says why."""
        self.ended.set()
        logger = logging.getLogger("snakemake.logging")
        logger.removeHandler(self)
        logger.addHandler(self.plain)
        self.stream.write(f"\nhere Snakemake's own text goes on, since ours failed: {type(error).__name__}: {error}\n")

    def foresee(self, event: str) -> None:
        """Tell, once, what a run would do."""
        if event == "run_info" and not self.foreseen:
            self.foreseen = True
            if PLAN in os.environ:
                self.tell_stale()
                return
            for line in preview(self.workflow):
                self.line(line)
            self.warn()

    def tell_stale(self) -> None:
        """Tell `verify` what would be made anew, and what no job can make anew though it differs."""
        for file, why in [*stale(self.workflow), *differing(self.workflow).items()]:
            self.line(f"{STALE}{file}: {why}")

    def warn(self) -> bool:
        """Tell of results that are taken as they are, because no job can make them; return whether there are any."""
        lines = warnings(self.workflow)
        for line in lines:
            self.line(line)
        return bool(lines)

    def begin(self, record: logging.LogRecord) -> None:
        """Tell what there is to do, and from then on what runs."""
        if self.work is not None:
            return
        self.work = Work(self.workflow, Estimates())
        self.warn()
        self.line(f"{counted(len(self.work.jobs))} on {self.work.place}{self.time_left()}")
        threading.Thread(target=self.beat, daemon=True).start()

    def start(self, record: Any) -> None:
        """Note that a job runs."""
        self.running[record.jobid] = time.monotonic()

    def finish(self, record: Any) -> None:
        """Tell that a job is done."""
        number, now = record.job_id, time.monotonic()
        if self.work is None or (job := self.work.jobs.get(number)) is None:
            return
        took = now - self.running.pop(number, now)
        self.done.add(number)
        self.work.estimates.add(job, took)
        self.outputs += job.output
        text = f"{len(self.done)} of {len(self.work.jobs)}  {label(job)}, {duration(took)}"
        for line in ending(Path(next(iter(job.log), os.devnull))):
            if line.startswith(NOTE) and line not in self.notes:  # several jobs may know it
                self.notes.add(line)
                self.line(line)
        self.status() if self.on_terminal else self.line(text + self.time_left())

    def fail(self, record: Any) -> None:
        """Tell that a job failed, why, and where its log is."""
        self.running.pop(record.jobid, None)
        if self.interrupted or self.work is None or (job := self.work.jobs.get(record.jobid)) is None:
            return
        if self.workflow.dag.get_job_group(job) is not None:  # of all its jobs Snakemake says that they failed
            if there(job.output):
                self.done.add(record.jobid)
            if there(job.output) or not there(job.input):
                return
        log = next(iter(job.log), "")
        why = reason(Path(log)) if log else "no log"
        if why.startswith("KeyboardInterrupt"):
            self.interrupted = True
            return
        failure = Failure(label(job), why, str(log))
        self.failures = [f for f in self.failures if f.job != label(job)]  # of a job that was tried again, the last
        self.failures.append(failure)
        self.untold.append(failure)
        if not why.startswith(TERMINATED):
            self.tell_failures()

    def tell_failures(self) -> None:
        """Tell which jobs failed, and which have ended with the run by SIGTERM instead."""
        for failure in self.untold:
            if told_to_end(self.workflow) and failure.reason.startswith(TERMINATED):
                self.failures.remove(failure)
                self.line(f"ended by SIGTERM: {failure.job}")
            else:
                self.line(f"failed: {failure.job}: {failure.reason}\n        {failure.log}")
        self.untold.clear()

    def message(self, record: logging.LogRecord) -> None:
        """Tell of warnings, errors and the few words of Snakemake that say something."""
        text = record.getMessage()
        if text.startswith(INTERRUPTED):
            self.interrupted = True
        elif text.startswith(STOPPING):  # Snakemake says so whenever a job ends
            self.tell_failures()
            if not self.stopping:
                self.line("no more jobs begin; those that run are waited for" + END)
            self.stopping = True
        elif record.levelno >= logging.ERROR and not self.of_a_job(text):
            self.line(sentence(text, *targets(self.workflow)))
        elif record.levelno == logging.WARNING:
            self.line(PLACE.sub("", text).strip())
        elif text.startswith(NOTHING) and PLAN in os.environ:
            self.tell_stale()
        elif text.startswith(TOLD):
            orphans = self.warn() if text.startswith(NOTHING) else False
            self.line("Nothing else is to be done, by what is there." if orphans else text)

    def of_a_job(self, text: str) -> bool:
        """Return whether an error says no more than that a job failed, of which there is a line already."""
        command = "CalledProcessError" in text and text.startswith("RuleException")
        has_line = bool(self.failures) or self.stopping
        return self.interrupted or command or (has_line and text.startswith(AFTER_FAILURE))

    # what is written

    def line(self, text: str) -> None:
        """Write a line, in the place of the status line if there is one."""
        self.stream.write(("\r\x1b[K" if self.on_terminal else "") + text + "\n")
        self.stream.flush()
        self.last_line = time.monotonic()

    def status(self) -> None:
        """Write how far the run is and how far the job is that runs longest: in the status line, or as a line."""
        if self.work is None or not self.running or self.interrupted:
            return
        rest, job = self.time_left(), self.longest(self.work)
        if (own := LEFT.search(job)) and float(own[1].replace(",", "")) > self.left:  # who runs knows better
            rest = ""
        text = f"{len(self.done)} of {len(self.work.jobs)}{rest}; {job}"
        if self.on_terminal:
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\x1b[K{text[:width]}")
            self.stream.flush()
        else:
            self.line(text)

    def longest(self, work: Work) -> str:
        """Return the job that runs longest, its time, the last word of its log, and how many run beside it."""
        number, since = min(self.running.items(), key=lambda item: item[1])
        if (job := work.jobs.get(number)) is None:
            return ""
        log, others = next(iter(job.log), ""), len(self.running) - 1
        state = progress(Path(log))[:120] if log else ""
        text = f"{label(job)}, {duration(time.monotonic() - since)}"
        return text + (f": {state}" if state else "") + (f" (and {others} more)" if others else "")

    def time_left(self) -> str:
        """Return the words that tell how long the rest takes, none where no record says anything."""
        now = time.monotonic()
        if self.work is not None and (
            not self.rest or now - self.estimated > FRESH or len(self.done) == len(self.work.jobs)
        ):
            begun = {number: now - since for number, since in self.running.items()}
            self.left, unknown = self.work.left(self.done, begun)
            word, few = "at least" if unknown else "about", 2 * unknown <= len(self.work.jobs) - len(self.done)
            self.rest, self.estimated = f"; {word} {duration(self.left)} left" if self.left >= 1 and few else "", now
        return self.rest

    def beat(self) -> None:
        """Tell now and then what runs, until the run ends."""
        while not self.ended.wait(1.0):
            with self.lock or threading.RLock():
                try:
                    self.tell_failures()
                    if self.on_terminal or time.monotonic() - self.last_line > QUIET:
                        self.status()
                except Exception as error:
                    self.give_back(error)

    def end(self, tables: Sequence[str] = ()) -> None:
        """Tell how the run ended: done, interrupted, or which jobs failed and what was made of the rest."""
        if self.work is None or self.ended.is_set():
            if tables:  # Snakemake's own text goes on
                print(*tables, sep="\n", file=self.stream)
            return
        self.ended.set()
        self.tell_failures()
        all_, took = len(self.work.jobs), duration(time.monotonic() - self.began)
        if self.interrupted or (self.stopping and not self.failures and len(self.done) < all_):
            how = "stopped" if self.interrupted else "ended by SIGTERM"
            self.line(f"{how} after {len(self.done)} of {all_} jobs; the same command goes on from there")
        elif self.failures:
            missing = all_ - len(self.done) - len(self.failures)
            counts = f"{len(self.failures)} failed, {missing} wait for these:"
            self.line(f"{len(self.done)} of {all_} jobs done in {took}, {counts}")
            for failure in self.failures:
                self.line(f"  {failure.job}: {failure.reason}\n        {failure.log}")
            for text in tables:
                self.line(text)
        else:
            pages = [str(file) for file in self.outputs if str(file).endswith(".html")]
            folders = dict.fromkeys(f"{Path(file).parent}/" for file in self.outputs if Path(file).name == "train.csv")
            self.line(
                f"{counted(all_)} done in {took}" + (": " if pages or folders else "") + ", ".join([*pages, *folders])
            )


def attach(workflow: Any) -> Terminal:
    """Return a Terminal, which stands in the place of Snakemake's handler unless Snakemake's own text is wanted.

    That is so with --printshellcmds, --verbose, --debug-dag, --quiet and a logger plugin, and in the processes that
    Snakemake starts for jobs, on a node of a cluster for example. Its log file has its own text always.
    """
    settings, logger = workflow.output_settings, logging.getLogger("snakemake.logging")
    stream = (h for h in logger.handlers if isinstance(h, logging.StreamHandler) and h.name == "DefaultStreamHandler")
    plain = next(stream, None)
    for handler in logger.handlers:
        if handler is not plain:
            for rule in handler.filters:
                if hasattr(rule, "printshellcmds"):
                    rule.printshellcmds = True
    terminal = Terminal(workflow, plain or logging.StreamHandler(sys.stderr))
    own_text = settings.printshellcmds or settings.verbose or settings.debug_dag or settings.quiet
    if plain is not None and not own_text and workflow.exec_mode.name == "DEFAULT":
        logger.removeHandler(plain)
        logger.addHandler(terminal)
        sys.excepthook = interrupted(sys.excepthook)
        logging.raiseExceptions = False  # else a log file that cannot be written is a traceback, of each line
    return terminal


def interrupted(others: Any) -> Any:
    """Return a hook for errors that nobody caught: one line for Ctrl-C, all others as they were."""

    def hook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            print("stopped before any job", file=sys.stderr)
        else:
            others(kind, error, trace)

    return hook
