"""Results that a run reads though no job can make them any more: Snakemake takes such a file as it is, without a word.

It does so where what the file's rule asks for is refused, by an error of the plan (a missing raw file, a missing text).
"""

import re
from typing import Any

# an error of the plan in what Snakemake makes of it
OWN = re.compile(r"^ *InputError: (.*?)(?=\nWildcards:|\nTraceback:|\Z)", re.M | re.S)


def orphans(workflow: Any) -> dict[str, str]:
    """Return the results that jobs of the plan read and none makes, each with why no rule makes it."""
    files: dict[str, str] = {}
    for job in workflow.dag.jobs:
        products = set().union(*workflow.dag.dependencies[job].values())
        for file in job.input:
            if str(file).startswith("results/") and file not in products and str(file) not in files:
                files[str(file)] = reason(workflow, file)
    return {file: text for file, text in files.items() if text}


def reason(workflow: Any, file: Any) -> str:
    """Return what the rules that could make a file say against it; nothing where none says anything."""
    for rule in workflow.rules:
        if rule.is_producer(file):
            try:
                rule.expand_input(rule.get_wildcards(file))
            except Exception as error:  # whatever a function of the plan raises
                own = OWN.search(str(error))
                return own[1].strip().splitlines()[0] if own else ""
    return ""


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
