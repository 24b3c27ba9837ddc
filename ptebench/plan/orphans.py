"""Results that a run reads though no job can make them any more: Snakemake takes such a file as it is, without a word.

It does so where what the file's rule asks for is refused, by an error of the plan (a missing raw file, a missing text).
"""

import re
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

# an error of the plan in what Snakemake makes of it
OWN = re.compile(r"^ *InputError: (.*?)(?=\nWildcards:|\nTraceback:|\Z)", re.M | re.S)


def orphans(workflow: Any) -> dict[str, str]:
    """Return the results that jobs of the plan read and none makes, each with why no rule makes it."""
    files: dict[str, str] = {}
    for job in workflow.dag.jobs:
        for file in read_without_maker(workflow, job):
            if file not in files:
                files[file] = reason(workflow, file)
    return {file: text for file, text in files.items() if text}


def read_without_maker(workflow: Any, job: Any) -> list[str]:
    """Return the results that a job reads and no job of the plan makes."""
    products = set().union(*workflow.dag.dependencies[job].values())
    return [str(file) for file in job.input if str(file).startswith("results/") and file not in products]


def reason(workflow: Any, file: str) -> str:
    """Return what the rule that makes a file, or what it reads, is refused for; nothing where no rule is."""
    for rule in workflow.rules:
        if rule.is_producer(file):
            try:
                inputs = rule.expand_input(rule.get_wildcards(file))[0]
            except Exception as error:  # whatever a function of the plan raises
                own = OWN.search(str(error))
                return own[1].strip().splitlines()[0] if own else ""
            gone = (str(other) for other in inputs if not Path(other).exists())
            return next(filter(None, (reason(workflow, other) for other in gone)), "")
    return ""


def refuse(workflow: Any) -> None:
    """Raise WorkflowError where a job that will run reads such a file of other than raw data.

    What was made by former settings would pass as made by these. Data that were read before may be split anew where
    their raw files have been taken away.
    """
    for job in workflow.dag.needrun_jobs():
        for file in read_without_maker(workflow, job):
            if not file.startswith("results/data/") and (text := reason(workflow, file)):
                raise WorkflowError(f"{file}: no job can make it for {job.rule.name}: {text}")


def warnings(workflow: Any) -> list[str]:
    """Return a line for each reason, with the first of the files that are taken as they are."""
    by_reason: dict[str, list[str]] = {}
    for file, text in orphans(workflow).items():
        by_reason.setdefault(text, []).append(file)
    return [
        f"taken as it is, since no job can make it: {files[0]}"
        + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        + f" ({text})"
        for text, files in by_reason.items()
    ]
