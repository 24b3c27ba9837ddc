"""Which jobs go to a cluster together: a submission carries 20 minutes of work, by the records of earlier runs.

A scheduler takes seconds over a job, and a cell may take less. So the jobs of a cell, its ranks and the choice of its
settings among them, are one group; groups are merged with others that take as long and use the same hardware.
"""

from collections.abc import Callable
from math import ceil, log2
from pathlib import Path
from typing import Any

from ptebench import resources
from ptebench.plan.cells import Cells
from ptebench.plan.paths import SPLIT, Wildcards, fill
from ptebench.plan.requests import Requests

WORK = 1200  # seconds, at least, that a submission carries
UNKNOWN = 64.0  # seconds of a cell or a trial that no record and no law tells of
ALL = 10**9  # components of a group that goes into one submission as a whole
LOCAL, SUBMISSION = "local", "submission"  # Snakemake's name of no group, and ours of what a submission carries
CELL_RULES = ("choose_trial", "train", "rank", "recommend", "cell_metrics")
REPORT_RULES = ("metrics", "table")
READ = ("train", "test", "vocabulary")  # of a split, what the time of a cell depends on


class Groups:
    """The group of a job of each rule that goes to a cluster with others, by its name."""

    def __init__(self, requests: Requests, cells: Cells, on_gpu: Callable[[Wildcards, str], Any]):
        self.requests, self.cells, self.on_gpu = requests, cells, on_gpu
        self.rules: dict[str, Callable[[Wildcards], str]] = {
            **dict.fromkeys(CELL_RULES, lambda wildcards: self.name("cells", wildcards, ("train", "rank"))),
            "trial": lambda wildcards: self.name("trials", wildcards, ("trial",)),
            "rung": lambda wildcards: self.name("trials", wildcards, ("rung",)),
            **dict.fromkeys(REPORT_RULES, lambda wildcards: "report"),
        }

    def name(self, kind: str, wildcards: Wildcards, rules: tuple[str, ...]) -> str:
        """Return the group of a job: its kind, its hardware and the power of four at or below its seconds."""
        device = "gpu" if self.on_gpu(wildcards, "train") else "cpu"
        return f"{kind}_{device}_{4 ** int(log2(max(self.seconds(wildcards, rules), 1.0)) / 2)}"

    def seconds(self, wildcards: Wildcards, rules: tuple[str, ...]) -> float:
        """Return how many seconds the jobs of a cell take together, by earlier ones, else by sizes."""
        total, split = 0.0, fill(SPLIT, wildcards)
        for rule in rules:
            if jobs := self.requests.earlier(rule, wildcards):
                total += sum(job.seconds for job in jobs) / len(jobs)
                continue
            files = [Path(f"{split}/{name}.parquet") for name in READ]
            if (expected := resources.seconds(rule, self.cells.settings(wildcards), files)) is None:
                return UNKNOWN
            total += expected
        return total


class Components(dict[str, int]):
    """By group, how many of its components one submission takes, where Snakemake's profile does not say."""

    def get(self, group: str, default: Any = None) -> int:
        """Return the components of a group."""
        _, _, seconds = group.rpartition("_")
        return super().get(group) or (ceil(WORK / int(seconds)) if seconds.isdigit() else ALL)

    def __bool__(self) -> bool:
        """Return False: what is true Snakemake hands to its jobs as text, and a job knows its group."""
        return False


def attach(workflow: Any, groups: Groups) -> None:
    """Let Snakemake submit jobs in groups, and a submission make all of its jobs that can be made.

    Within a submission Snakemake runs once more, for its jobs alone. One that fails stops no other there, as in a run
    on one machine, and another attempt makes what is missing.
    """

    def grouped(name: Callable[[Wildcards], str]) -> Callable[[Wildcards], str | None]:
        def group(wildcards: Wildcards) -> str | None:
            if workflow.dryrun:  # to plan groups takes as long again as to plan jobs, and shows nothing
                return None
            settings = workflow.group_settings  # complete only now
            if not isinstance(settings.group_components, Components):
                settings.group_components = Components(settings.group_components)
            if workflow.remote_exec:
                return None if settings.local_groupid == LOCAL else SUBMISSION
            return name(wildcards)

        return group

    for rule, name in groups.rules.items():
        workflow.get_rule(rule).group = grouped(name)
    factory = workflow.spawned_job_args_factory
    usual = factory.general_args
    factory.general_args = lambda *place, **names: inside(usual(*place, **names), workflow.attempt)


def inside(line: str, attempt: int) -> str:
    """Return the options of Snakemake within a submission."""
    words = line.split(" ")
    return " ".join(["--keep-going", *(word for word in words if attempt == 1 or word != "--force")])
