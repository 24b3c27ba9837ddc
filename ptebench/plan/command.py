"""The one command line of all jobs: settings, code and files of a rule as Snakemake's params."""

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from snakemake.io import report

from ptebench import leases
from ptebench.errors import InputError
from ptebench.plan.code import named_digest
from ptebench.plan.paths import TABLE, TABLES, WRITING, Wildcards
from ptebench.provenance import canonical

RUN = (
    "python -m workflow_scripts.{params.script} --spec {params.spec:q} --code {params.code} --threads {threads}"
    " {params.files} > {log:q} 2>&1"
)

# what all jobs have in common, and what is no setting: it changes no result
VARIABLES = {
    "PYTHONSAFEPATH": "1",  # nor does a job import what lies in the folder that it runs in
    "PYTHONFAULTHANDLER": "1",  # where a job was when a signal ended it stands in its log
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "passive",  # threads that wait must not spin: they would take the cores of other jobs
    # freed memory stays with the job (glibc): to get it back page by page took up to a quarter of a training step
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
}

# says in the log which signal ended a job, and keeps the shell's own line, which repeats the command, in there, short;
# of an interruption (130) Python says it itself
PYTHON = (
    'python() { command python "$@" || { local s=$?; [ $s -le 128 ] || [ $s = 130 ] || '
    'echo "error: killed by signal $((s - 128)) (SIG$(kill -l $((s - 128))))" >&2; return $s; }; }'
)

LONGEST = 120_000  # bytes; Linux takes 128 KiB, the environment of jobs included
PLAIN = re.compile(r"results(?:/[a-z0-9_.=-]+)+")  # what a shell takes as it is

# by pattern, what `snakemake --report` shows: category, and the wildcards that tell one file from another
CAPTIONS = {
    f"{TABLE}.html": ("Table", ["table"]),
    f"{TABLES}/distributions/{{dataset}}.svg": ("Distributions", ["dataset"]),
    f"{WRITING}/rounds.svg": ("Rounds", ["dataset", "protocol", "language_model"]),
}

Settings = Callable[[Wildcards], dict[str, Any]]
Modules = Callable[[Wildcards], Iterable[str]]


def check_folder(repository: Path) -> None:
    """Raise InputError where no job could run from the folder of a checkout.

    Braces are a pattern to Snakemake, the colon parts the folders of PYTHONPATH.
    """
    if strange := set("{}:") & set(str(repository)):
        raise InputError(f"{repository}: {min(strange)!r} in the folder of this checkout; rename or move it")


def environment(repository: Path, deployed: bool, keys: str) -> str:
    """Return the shell text before every job: it imports this checkout, and runs this interpreter unless `deployed`.

    Of the checkout only its packages, by links, so that no file beside the Snakefile hides a module of Python's. A
    deployed environment has packages of its own, which those of PYTHONPATH would hide. `keys` says which variable holds
    the key of which endpoint. A job ends with this process, which runs it; what a signal ends is named in its log.
    """
    others = [] if deployed else os.environ.get("PYTHONPATH", "").split(os.pathsep)
    imports = [str(repository / "imports"), *(path for path in others if path and Path(path).resolve() != Path.cwd())]
    variables = {
        "PYTHONPATH": os.pathsep.join(imports),
        **VARIABLES,
        "PTEBENCH_KEYS": keys,
        leases.RUN: leases.this_run(),
    }
    line = [f"export POLARS_MAX_THREADS=${{OMP_NUM_THREADS:-1}} {shlex.join(f'{k}={v}' for k, v in variables.items())}"]
    if not deployed:
        line.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    return "; ".join([*line, PYTHON]) + "; "


def render_command(snakefile: Path, files: Iterable[str], changes: Mapping[str, Any]) -> str:
    """Return the command of a run: Snakemake with its configuration files and what `--config` says over them.

    It names the Snakefile where that is not the one of the working folder.
    """
    words = ["snakemake", "--cores", "all"]
    words += [] if snakefile.resolve() == Path.cwd() / "Snakefile" else ["-s", str(snakefile)]
    words += ["--configfile", *map(str, files)] if files else []
    words += ["--config", *(f"{key}={json.dumps(value)}" for key, value in changes.items())] if changes else []
    return shlex.join(words)


def quote(path: str) -> str:
    """Return a path as one word of the shell, which no job takes for an option."""
    return shlex.quote(f"./{path}" if path.startswith("-") else path)


def brace(paths: list[list[str]]) -> str:
    """Return paths, each by its parts, as one word that bash expands in braces to the same paths in the same order."""
    heads = [(head, [rest for _, *rest in group]) for head, group in groupby(paths, lambda parts: parts[0])]
    branches = [f"{head}/{brace(rests)}" if rests[0] else head for head, rests in heads]
    return branches[0] if len(branches) == 1 else "{" + ",".join(branches) + "}"


def join_paths(paths: list[str]) -> str:
    """Return the words of many paths, those of results in braces: Linux takes no more than 128 KiB from a line."""
    parts = [path.split("/") for path in paths]
    if len(set(paths)) > 1 and all(map(PLAIN.fullmatch, paths)) and len({(len(p), p[-1]) for p in parts}) == 1:
        return f"{brace([p[:-1] for p in parts])}/{parts[0][-1]}"
    return " ".join(map(quote, paths))


def option_words(option: str, files: Mapping[str, Any]) -> str:
    """Return the words that name files, each with its path or paths.

    A name may end in `_`, which is cut off: Snakemake keeps the name `items` to itself.
    """
    line = []
    for name, paths in files.items():
        line += [option, quote(name.rstrip("_")), quote(paths) if isinstance(paths, str) else join_paths(list(paths))]
    return " ".join(word for word in line if word)


def files(wildcards: Wildcards, input: Mapping[str, Any], output: Mapping[str, Any]) -> str:
    """Return the part of the command line that names a job's inputs, outputs and record, quoted for the shell."""
    outputs = dict(output.items())
    record = outputs.pop("provenance")
    line = [option_words("--input", input), option_words("--output", outputs), "--provenance", quote(record)]
    return " ".join(word for word in line if word)


def inputs_of(words: list[str]) -> dict[str, list[str]]:
    """Return the paths that the words of a job's command name as its inputs, by key, as the plan names them."""
    inputs: dict[str, list[str]] = {}
    paths: list[str] | None = None
    for option, word in zip(["", *words], words):
        if word.startswith("--"):
            paths = None
        elif option == "--input":
            paths = inputs.setdefault(word, [])
        elif paths is not None:
            paths.append(word.removeprefix("./") if word.startswith("./-") else word)
    return inputs


def job(
    script: str, settings: Settings | None = None, modules: Modules | None = None, run: str | None = None
) -> dict[str, Any]:
    """Return a rule's params: its script, the settings and the code that a rerun compares, and its files.

    `modules` names what the script loads by name, which the closure of its imports cannot see. `run` is the command of
    the run, for pages that show it: beside the files, since under another name of its configuration they are as fresh.
    """

    def spec(wildcards: Wildcards) -> str:
        return canonical(settings(wildcards) if settings else {})

    def code(wildcards: Wildcards) -> str:
        return named_digest(f"workflow_scripts.{script}", *(modules(wildcards) if modules else ()))

    def line(wildcards: Wildcards, input: Mapping[str, Any], output: Mapping[str, Any]) -> str:
        text = (f"--run {shlex.quote(run)} " if run else "") + files(wildcards, input, output)
        if (length := len((text + shlex.quote(spec(wildcards))).encode())) > LONGEST:
            raise InputError(
                f"{script}: settings and files have {length:,} bytes, and a command takes {LONGEST:,}; part the table, "
                "or name fewer cells"
            )
        return text

    return {"script": script, "spec": spec, "code": code, "files": line}


def recorded(record: str | None = None, **outputs: str) -> dict[str, str]:
    """Return a rule's outputs and its record, by default beside the first output and named after it."""
    first = next(iter(outputs.values()))
    stem = first.rpartition(".")[0] or first
    shown = {name: caption(path) for name, path in outputs.items()}
    return {**shown, "provenance": record or f"{stem}.provenance.json"}


def caption(path: str) -> str:
    """Return a path, with what `snakemake --report` shows of it where it is a table or a drawing."""
    if path not in CAPTIONS:
        return path
    category, labels = CAPTIONS[path]
    text = f"../docs/captions/{category.lower()}.rst"  # from rules/
    flagged: str = report(path, caption=text, category=category, labels={name: f"{{{name}}}" for name in labels})
    return flagged
