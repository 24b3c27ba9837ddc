"""What a run would do, in about ten lines: jobs by rule, why, how long, how much disk."""

import ast
import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from os.path import commonprefix
from pathlib import Path
from typing import Any

from ptebench.data.downloads import advice
from ptebench.errors import InputError
from ptebench.plan.code import changed_modules
from ptebench.plan.command import inputs_of
from ptebench.plan.estimates import Estimates, Work, duration
from ptebench.provenance import canonical
from ptebench.records import RECORD, read_record

FILES = 20  # lines for files that are fetched
REASONS = 6  # lines for reasons, those of most jobs
RULES = 4  # of them that a reason names
KEYS = 3  # changed keys that a reason names
NEW = "not made yet"
WIDTH = 48  # characters of a value
LEAD = 12  # of them before the place where two values begin to differ
# settings of tables and pages that say what rows and cells say already
FOLLOW = ("trials", "ids", "counters", "defaults")


def short(value: Any, start: int = 0) -> str:
    """Return a value of a configuration as one short word, from a character on."""
    text = ("..." if start else "") + canonical(value)[start:]
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def shift(before: Any, now: Any) -> str:
    """Return two values, the long ones from a little before the place where they begin to differ."""
    same = len(commonprefix([canonical(before), canonical(now)]))
    start = same - LEAD if max(len(canonical(before)), len(canonical(now))) > WIDTH and same > WIDTH // 2 else 0
    return f"{short(before, start)} -> {short(now, start)}"


def changes(before: Any, now: Any, key: str = "") -> list[str]:
    """Return which keys changed, from what to what; of long lists, how many came and went, or what each has anew."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        return [c for name in names for c in changes(before.get(name), now.get(name), f"{key}.{name}".strip("."))]
    if before == now:
        return []
    if {type(before), type(now)} == {list, type(None)} and len(canonical(before or now)) > WIDTH:
        before, now = before or [], now or []
    if isinstance(before, list) and isinstance(now, list) and max(len(canonical(before)), len(canonical(now))) > WIDTH:
        came, went = ([v for v in a if v not in b] for a, b in ((now, before), (before, now)))
        if len(came) == len(went):
            alike = list(dict.fromkeys(c for pair in zip(went, came) for c in _changes_of_rows(*pair, key)))
            if len(alike) == 1:
                return alike
        counts = ((len(came), "more"), (len(went), "less"))
        return [f"{key}: " + (", ".join(f"{n} {word}" for n, word in counts if n) or "in another order")]
    return [f"{key} {shift(before, now)}"]


def _changes_of_rows(before: Any, now: Any, key: str) -> list[str]:
    """Return how two rows of a list differ, of lists at each place."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [f"{key} {shift(a, b)}" for a, b in zip(before, now) if a != b]
    return changes(before, now, key)


def parameters(values: Iterable[str]) -> tuple[dict[str, Any], str]:
    """Return settings and digest of code among the params that Snakemake keeps of a job."""
    texts = [str(ast.literal_eval(value)) for value in values]
    spec: dict[str, Any] = next((json.loads(text) for text in texts if text.startswith("{")), {})
    return spec, next((text for text in texts if len(text) == 12 and not set(text) - set("0123456789abcdef")), "")


def changed_parameters(change: Any, after: bool = False) -> str:
    """Return which settings and modules of a job changed.

    after: another job makes anew what this one reads, so that settings which only follow from that are no reason.
    """
    (before, old), (now, new) = parameters(change.only_old), parameters(change.only_new)
    was, is_now = ({key: value for key, value in spec.items() if key not in FOLLOW} for spec in (before, now))
    keys = changes(was, is_now)
    if not before or not now:
        keys = []
    elif not keys and not after:
        keys = changes(before, now)
    keys = keys[:KEYS] + ([f"{len(keys) - KEYS} more keys"] if len(keys) > KEYS else [])
    texts = keys + (changed_modules(old, new) if old and new else [])
    return ", ".join(texts) or ("" if after else "settings changed")


def read_before(workflow: Any, job: Any) -> dict[str, list[str]]:
    """Return the files that a job read when it last ran, by key; where its record is none, all by the key ""."""
    record = next((Path(file) for file in job.output if file.endswith(RECORD)), None)
    if record and record.exists():
        with suppress(InputError):
            return inputs_of(shlex.split(read_record(record).get("command", "")))
    memories = (workflow.persistence.metadata(file) for file in job.output)
    return {"": sorted({str(file) for memory in memories if memory for file in memory.input or ()})}


def changed_inputs(before: dict[str, list[str]], inputs: Any) -> str:
    """Return which files a job reads that it did not read before, or the reverse; by key, where a key has one."""
    keys = {name.rstrip("_"): value for name, value in inputs.items()}
    now = {key: [value] if isinstance(value, str) else list(value) for key, value in keys.items()}
    others = [key for key, files in before.items() if len(files) == 1 == len(now.get(key, ())) and files != now[key]]
    texts = [f"{key} {before[key][0]} -> {now[key][0]}" for key in others]
    was, are = ({f for key, v in files.items() if key not in others for f in v} for files in (before, now))
    for verb, files in (("reads", sorted(are - was)), ("no longer reads", sorted(was - are))):
        if files:
            texts.append(f"{verb} {files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else ""))
    return ", ".join(texts) or "inputs in another order"


def why(workflow: Any, job: Any) -> str:
    """Return why a job runs, nothing where it is only because another one does."""
    reason = workflow.dag.reason(job)
    if reason.forced:
        return "asked for by --force"
    texts = []
    if gone := sorted(map(str, reason.missing_output)):
        if not any(Path(file).exists() for file in job.output):
            return NEW
        texts.append(f"{gone[0]} is gone")
    if reason.incomplete_output:
        texts.append("was cut off")
    files = sorted(map(str, reason.updated_input - reason.updated_input_run))
    before = read_before(workflow, job) if files or reason.input_changed else {}
    others = {file for file in files if not any(file in paths for paths in before.values())}
    if files := [file for file in files if file not in others]:
        texts.append(f"{files[0]} changed" + (f" and {len(files) - 1} more" if len(files) > 1 else ""))
    # Snakemake does not ask this of a job that runs because another one does
    change = reason.params_changed or workflow.persistence.params_changed(job)
    settings = changed_parameters(change, bool(reason.updated_input_run)) if change else ""
    texts.append(settings)
    if (reason.input_changed or others) and not settings.startswith("cells"):  # which say what is read
        texts.append(changed_inputs(before, job.input))
    if reason.code_changed:
        texts.append("the rule's command changed")
    if reason.software_stack_changed:
        texts.append("the conda environment changed")
    return ", ".join(filter(None, texts))


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
        return [NEW if len(jobs) == 1 else f"all are {NEW}"]
    if set(groups) == {""}:
        return ["asked for by name"]
    after = groups.pop("", [])
    first = sorted(groups.items(), key=lambda group: -len(group[1]))
    lines = [f"{grouped(group)}: {text}" for text, group in first[:REASONS]]
    if rest := first[REASONS:]:
        lines.append(f"{sum(len(group) for _, group in rest)} more for {len(rest)} more reasons")
    return lines + ([f"{grouped(after)} read what these make"] if after else [])


def raw_files(jobs: list[Any]) -> list[tuple[str, str]]:
    """Return a line for each raw file that is missing: from where it is fetched by which terms, or how to get it."""
    missing = [entry for job in jobs if job.rule.name == "download" for entry in json.loads(job.params.spec).items()]
    if not missing and any(job.rule.name == "download" for job in jobs):
        return [("fetch", "nothing: no raw file is missing")]
    lines = [
        ("fetch", f"{path}, from {facts['url']} (terms: {facts['licence']})")
        if "url" in (facts or {})
        else ("lack", advice(path, facts))
        for path, facts in missing[:FILES]
    ]
    return lines + ([("", f"{len(missing) - FILES} more files")] if len(missing) > FILES else [])


def space(estimates: Estimates, jobs: list[Any]) -> str:
    """Return how much the jobs write and how much there is room for."""
    sizes = [estimates.bytes(job) for job in jobs]
    amounts, free = [size for size in sizes if size is not None], shutil.disk_usage(".").free
    word = "about" if len(amounts) == len(jobs) else "at least"
    text = f"{word} {megabytes(sum(amounts))} written" if amounts else "not known"
    return f"{text}, {megabytes(free)} free"


def counted(jobs: int) -> str:
    """Return a number of jobs in words."""
    return "1 job" if jobs == 1 else f"{jobs} jobs"


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
    lines = [("why", text) for text in reasons(workflow, jobs)]
    lines += [*raw_files(jobs), ("time", time), ("disk", space(estimates, jobs))]
    heads = (head if before != head else "" for (before, _), (head, _) in zip([("", ""), *lines], lines))
    return [
        f"{counted(len(jobs))}: {', '.join(f'{rule} {count}' for rule, count in counts.items())}",
        *(f"{head:5} {text}" for head, (_, text) in zip(heads, lines)),
        "-n -p lists each job with its files and command",
    ]
