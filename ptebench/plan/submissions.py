"""What a run hands to a scheduler's shell."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

OPEN = set("$`\\'\"!\n")  # what a shell reads on in, between double quotes, or what ends them


def faults(words: Iterable[str]) -> list[str]:
    """Return what is wrong with words that executors put between double quotes: a shell would not take them as such."""
    return [
        f"{word}: {min(OPEN & set(word))!r} in what a scheduler's shell is given (the folder, the configuration file, "
        "--config); rename or move it, or write the value into the configuration file"
        for word in words
        if OPEN & set(word)
    ]


def refuse(workflow: Any) -> None:
    """Raise WorkflowError where a run that submits jobs would have a shell run what stands in a name."""
    if not workflow.local_exec:
        settings = workflow.config_settings
        words = [Path.cwd(), workflow.main_snakefile, *settings.configfiles, *(settings.config_args or [])]
        for fault in faults(map(str, words)):
            raise WorkflowError(fault)
