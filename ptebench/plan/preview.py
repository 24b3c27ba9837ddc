"""What a run would do, in about ten lines: jobs by rule, why, how long, how much disk."""

import ast
import json
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ptebench.plan.code import changed_modules
from ptebench.plan.estimates import Estimates, Work, duration
from ptebench.provenance import canonical

REASONS = 6  # lines for reasons, those of most jobs
RULES = 4  # of them that a reason names
KEYS = 3  # changed keys that a reason names
NEW = "not made yet"
WIDTH = 48  # characters of a value


def short(value: Any) -> str:
    """Return a value of a configuration as one short word."""
    text = canonical(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def changes(before: Any, now: Any, key: str = "") -> list[str]:
    """Return which keys changed, from what to what; of lists of settings, how many came and went."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        return [c for name in names for c in changes(before.get(name), now.get(name), f"{key}.{name}".strip("."))]
    if before == now:
        return []
    if isinstance(before, list) and isinstance(now, list) and max(len(canonical(before)), len(canonical(now))) > WIDTH:
        came, went = ([v for v in a if v not in b] for a, b in ((now, before), (before, now)))
        counts = ((len(came), "more"), (len(went), "less"))
        return [f"{key}: " + (", ".join(f"{n} {word}" for n, word in counts if n) or "in another order")]
    return [f"{key} {short(before)} -> {short(now)}"]


def parameters(values: Iterable[str]) -> tuple[dict[str, Any], str]:
    """Return settings and digest of code among the params that Snakemake keeps of a job."""
    texts = [str(ast.literal_eval(value)) for value in values]
    spec: dict[str, Any] = next((json.loads(text) for text in texts if text.startswith("{")), {})
    return spec, next((text for text in texts if len(text) == 12 and not set(text) - set("0123456789abcdef")), "")


def changed_parameters(change: Any) -> str:
    """Return which settings and modules of a job changed."""
    (before, old), (now, new) = parameters(change.only_old), parameters(change.only_new)
    keys = changes(before, now) if before and now else []
    keys = keys[:KEYS] + ([f"{len(keys) - KEYS} more keys"] if len(keys) > KEYS else [])
    return ", ".join(keys + (changed_modules(old, new) if old and new else [])) or "settings changed"


def changed_inputs(workflow: Any, job: Any) -> str:
    """Return which files a job reads that it did not read before, or the reverse."""
    before: set[str] = set()
    for file in job.output:
        before |= set((record := workflow.persistence.metadata(file)) and record.input or ())
    came, went = sorted(set(job.input) - before), sorted(before - set(job.input))
    texts = [
        f"{verb} {files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
        for verb, files in (("reads", came), ("no longer reads", went))
        if files
    ]
    return ", ".join(texts) or "other inputs"


def why(workflow: Any, job: Any) -> str:
    """Return why a job runs, nothing where it is only because another one does."""
    reason = workflow.dag.reason(job)
    if reason.forced:
        return "asked for by --force"
    texts = []
    if gone := sorted(map(str, reason.missing_output)):
        texts.append(f"{gone[0]} is gone" if any(Path(file).exists() for file in job.output) else NEW)
    if reason.incomplete_output:
        texts.append("was cut off")
    if files := sorted(map(str, reason.updated_input - reason.updated_input_run)):
        texts.append(f"{files[0]} changed" + (f" and {len(files) - 1} more" if len(files) > 1 else ""))
    # Snakemake does not ask this of a job that runs because another one does
    if change := reason.params_changed or workflow.persistence.params_changed(job):
        texts.append(changed_parameters(change))
    if reason.input_changed:
        texts.append(changed_inputs(workflow, job))
    if reason.code_changed:
        texts.append("the rule's command changed")
    if reason.software_stack_changed:
        texts.append("the conda environment changed")
    return ", ".join(texts)


def grouped(jobs: list[Any]) -> str:
    """Return jobs in words: how many of which rules, and the wildcards that they share."""
    (first, *_), counts = jobs, Counter(job.rule.name for job in jobs)
    words = [f"{count} {rule}" for rule, count in counts.most_common(RULES)]
    if more := sum(count for _, count in counts.most_common()[RULES:]):
        words.append(f"{more} more")
    same = [v for name, v in first.wildcards_dict.items() if all(job.wildcards_dict.get(name) == v for job in jobs)]
    return ", ".join(words) + (f" ({', '.join(same)})" if same else "")


def reasons(workflow: Any, jobs: list[Any]) -> list[str]:
    """Return a line for each reason with its jobs, those of most jobs first, and one for what is made from these."""
    groups: dict[str, list[Any]] = {}
    for job in jobs:
        groups.setdefault(why(workflow, job), []).append(job)
    if set(groups) == {NEW}:
        return [f"all are {NEW}"]
    after = groups.pop("", [])
    first = sorted(groups.items(), key=lambda group: -len(group[1]))
    lines = [f"{grouped(group)}: {text}" for text, group in first[:REASONS]]
    if rest := first[REASONS:]:
        lines.append(f"{sum(len(group) for _, group in rest)} more for {len(rest)} more reasons")
    return lines + ([f"{grouped(after)} read what these make"] if after else [])


def space(estimates: Estimates, jobs: list[Any]) -> str:
    """Return how much the jobs write and how much there is room for."""
    sizes = [estimates.bytes(job) for job in jobs]
    amounts, free = [size for size in sizes if size is not None], shutil.disk_usage(".").free
    word = "about" if len(amounts) == len(jobs) else "at least"
    text = f"{word} {megabytes(sum(amounts))} written" if amounts else "not known"
    return f"{text}, {megabytes(free)} free"


def megabytes(count: float) -> str:
    """Return a number of bytes in megabytes or gigabytes."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def preview(workflow: Any) -> list[str]:
    """Return the lines that say what a run would do, from Snakemake's workflow with its jobs."""
    estimates = Estimates()
    work = Work(workflow, estimates)
    jobs = list(work.jobs.values())
    counts = Counter(job.rule.name for job in jobs)
    seconds, unknown = work.left()
    familiar = len(jobs) - unknown
    time = (
        f"{'at least' if unknown else 'about'} {duration(seconds)} on {work.place}, by earlier runs"
        if familiar
        else "not known"
    )
    if familiar and unknown:
        time += f", which had {familiar} of the {len(jobs)} jobs or some like them"
    lines = [("why", text) for text in reasons(workflow, jobs)] + [("time", time), ("disk", space(estimates, jobs))]
    heads = (head if before != head else "" for (before, _), (head, _) in zip([("", ""), *lines], lines))
    return [
        f"{len(jobs)} jobs: {', '.join(f'{rule} {count}' for rule, count in counts.items())}",
        *(f"{head:5} {text}" for head, (_, text) in zip(heads, lines)),
        "-n -p lists each job with its files and command",
    ]
