"""Errors of Snakemake as sentences: without tracebacks and places in the rules, with what else was meant."""

import errno
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ptebench.files import no_room
from ptebench.plan.logs import TRACEBACK
from ptebench.plan.orphans import OWN

# what is no target of Snakemake, by the names that one may look for
COMMANDS = {
    "redo": "ptebench.redo", "init": "ptebench.propose", "propose": "ptebench.propose",
    "audit": "ptebench.report.audit",
}  # fmt: skip
HEAD = re.compile(r'^(?:MissingRuleException|WorkflowError|InputError)(?: in (?:rule \w+ in )?file ".*", line \d+)?:\n')
PLACE = re.compile(r'^(?:Traceback:|  File ".*", line \d+.*)\n?| \(if you use input functions .*\)', re.M)


def targets(workflow: Any) -> tuple[list[str], list[str]]:
    """Return the words of the command line that are no target, and the targets that there are."""
    names = sorted(rule.name for rule in workflow.rules if not rule.has_wildcards())
    asks = workflow.dag_settings.targets if workflow.dag_settings else ()  # none while the configuration is read
    words = [word for word in asks if "/" not in word and word not in names]
    return sorted(words), [name for name in names if not name.endswith("_table")]


def sentence(message: str, wrong: Sequence[str] = (), names: Sequence[str] = ()) -> str:
    """Return an error of Snakemake without tracebacks and places in the rules; one of ours as the sentence alone.

    wrong, names: words of the command line that are no target, and the targets that there are.
    """
    if message.startswith(TRACEBACK):
        return message
    if f"[Errno {errno.ENOSPC}]" in message:
        return f"error: {no_room(Path('.snakemake'))}"
    if own := OWN.search(message):
        return f"error: {own[1].strip()}"
    text = HEAD.sub("", PLACE.sub("", message)).strip()
    if text.startswith(("No rule to produce ", "Target rules may not contain wildcards")) and wrong:
        if module := COMMANDS.get(wrong[0]):
            return f"error: {wrong[0]!r} is no target but a command of its own: python -m {module} --help"
        near = get_close_matches(wrong[0], names, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        return f"error: {wrong[0]!r} is no target{hint} There are {', '.join(names)}, and files by path."
    if text.startswith("No rule to produce "):
        text += " Paths are listed in docs/guide/files.md, targets in docs/guide/use.md, names in the configuration."
    return f"error: {text}"
