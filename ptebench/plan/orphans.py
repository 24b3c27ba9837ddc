"""Results that a run reads though no job can make them any more: Snakemake takes such a file as it is, without a word.

It does so where what the file's rule asks for is refused, by an error of the plan (a missing raw file, a missing text).
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import Wildcards

from ptebench.plan.preview import changes, parameters
from ptebench.plan.recall import recall
from ptebench.records import RECORD
from ptebench.verify import PLAN

# an error of the plan in what Snakemake makes of it
OWN = re.compile(r'^ *InputError: (.*?)(?=\nWildcards:|\nTraceback:|\n  File ".*", line |\Z)', re.M | re.S)
DATA = "results/data/"
ABSENT = re.compile(": (no such file|is a folder)")


def orphans(workflow: Any) -> dict[str, str]:
    """Return the results that jobs of the plan read and none makes, each with why no rule makes it."""
    files: dict[str, str] = {}
    for job in workflow.dag.jobs:
        for file in read_without_maker(workflow, job):
            if file not in files:
                files[file] = reason(workflow, file)
    return {file: files[file] for file in sorted(files) if files[file]}


def read_without_maker(workflow: Any, job: Any) -> list[str]:
    """Return the results that a job reads and no job of the plan makes."""
    products = set().union(*workflow.dag.dependencies[job].values())
    return [str(file) for file in job.input if str(file).startswith("results/") and file not in products]


def reason(workflow: Any, file: str) -> str:
    """Return what the rule that makes a file, or what it reads, is refused for; nothing where no rule is."""
    return refusal(workflow, file)[1]


def refusal(workflow: Any, file: str) -> tuple[str, str]:
    """Return which file's rule is refused, of a file and of what it is made from, and why; nothing where none is."""
    for rule in workflow.rules:
        if rule.is_producer(file):
            try:
                inputs = rule.expand_input(rule.get_wildcards(file))[0]
            except Exception as error:  # whatever a function of the plan raises
                own = OWN.search(str(error))
                return file, own[1].strip().splitlines()[0] if own else ""
            gone = (str(other) for other in inputs if not Path(other).exists())
            return next((pair for other in gone if (pair := refusal(workflow, other))[1]), (file, ""))
    return file, ""


def attach(workflow: Any) -> None:
    """Let every plan stop at what is neither there nor can be made, and at data of other raw files or settings.

    That of `verify` names the latter.
    """
    from snakemake.dag import DAG  # only within Snakemake: its modules import each other

    own = DAG.postprocess

    async def postprocess(self: Any, *place: Any, **names: Any) -> None:
        await own(self, *place, **names)
        if names.get("check_initial") and PLAN not in os.environ:
            for text in absent(workflow):
                raise WorkflowError(f"InputError: {text}")
            for file, text in differing(workflow).items():
                raise WorkflowError(f"InputError: {file}: {text}")

    DAG.postprocess = postprocess


def absent(workflow: Any) -> Iterator[str]:
    """Yield why no job can make a result that a job which would run reads, of each that is not there."""
    for job in workflow.dag.needrun_jobs():
        for file in read_without_maker(workflow, job):
            if not Path(file).exists() and (text := reason(workflow, file)):
                yield text


def differing(workflow: Any) -> dict[str, str]:
    """Return what no job can make and was made of other files or settings, each with what differs."""
    files = {}
    for file, text in orphans(workflow).items():
        if difference := compare(workflow, file):
            files[file] = f"no job can make it anew ({text}), and {difference}"
    return files


def compare(workflow: Any, file: str) -> str:
    """Return the first setting or file in which a result differs from what is asked for, and the mend.

    Of a result that is made from one that no job can make, the latter is compared, where it is still there.
    """
    product, text = refusal(workflow, file)
    rule = next(rule for rule in workflow.rules if rule.is_producer(product))
    wildcards = Wildcards(fromdict=rule.get_wildcards(product))
    outputs = {str(other): other for other in rule.expand_output(wildcards)[0]}
    record = next((Path(path) for path in outputs if path.endswith(RECORD)), None)
    memory = recall(record) or workflow.persistence.metadata(outputs[product])
    data = product.startswith(DATA)
    if memory is None:
        return "no record tells what it was made of; put the raw files back" if data else ""
    place = f"datasets: {wildcards.dataset}: " if data else "" if product == file else f"{product}: "
    before, now = parameters(memory.params)[0], json.loads(rule.params["spec"](wildcards))
    if keys := changes(before, now):
        return f"{place}{keys[0]} since it was made; set it back"
    read = {str(path) for path in memory.input if not str(path).startswith("results/")}
    if data:
        return compare_raw(place, workflow.globals["raw"].files(wildcards.dataset), read)
    if not read or not ABSENT.search(text) or any(f" {path}: " in f" {text}" for path in read):
        return ""
    return f"{place}it was made from {', '.join(sorted(read))}; correct the name"


def compare_raw(place: str, files: dict[str, str | list[str]], read: set[str]) -> str:
    """Return the first raw file, of those by key, that was not read, or one that was and has no key; and the mend."""
    names = {key: [paths] if isinstance(paths, str) else paths for key, paths in files.items()}
    for key, paths in names.items():
        for path in paths:
            if path not in read:
                return f"{place}{key} is {path}, but it was made from {', '.join(sorted(read))}; correct it"
    if others := sorted(read.difference(*names.values())):
        return f"{place}it was made from {others[0]} too, which no key names; name it again"
    return ""


def refuse(workflow: Any) -> None:
    """Raise WorkflowError where a job that will run reads such a file of other than raw data.

    What was made by former settings would pass as made by these. Data that were read before may be split anew where
    their raw files have been taken away.
    """
    for job in workflow.dag.needrun_jobs():
        for file in read_without_maker(workflow, job):
            if not file.startswith(DATA) and (text := reason(workflow, file)):
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
