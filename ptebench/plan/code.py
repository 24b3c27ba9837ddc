"""Which modules a digest of code counts: kept beside the results, so that a plan can name what changed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ptebench.files import read_json, write_json
from ptebench.provenance import code_digest, code_modules, module_path

FOLDER = Path("results/code")
MOST = 3  # files that a change of code names
NAMED: dict[str, tuple[str, ...]] = {}  # digests of this plan, and the modules that each begins with


def named_digest(*modules: str) -> str:
    """Return the digest of code of modules and all that they import, and remember which modules it is of."""
    digest = code_digest(*modules)
    NAMED[digest] = modules
    return digest


def keep(jobs: Iterable[Any]) -> None:
    """Write, of every digest of code of Snakemake's jobs, its modules, each with a digest of its own."""
    for job in jobs:
        if code := getattr(job.rule.params, "code", None):
            file = FOLDER / f"{code(job.wildcards)}.json"
            if not file.exists():
                write_json(code_modules(*NAMED[file.stem]), file)


def changed_modules(before: str, now: str) -> list[str]:
    """Return the files of code that differ between a digest of an earlier run and one of this plan."""
    file = FOLDER / f"{before}.json"
    if not file.exists() or now not in NAMED:
        return ["code changed"]
    old, new = read_json(file), code_modules(*NAMED[now])
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    words = (("is new" if name not in old else "changed") if name in new else "is gone" for name in names)
    texts = [f"{path(name)} {word}" for name, word in zip(names, words)]
    return texts[:MOST] + ([f"{len(names) - MOST} more files"] if len(names) > MOST else [])


def path(module: str) -> str:
    """Return the path of a module in the checkout."""
    base = module.replace(".", "/")
    file = module_path(module)
    return f"{base}/__init__.py" if file is not None and file.name == "__init__.py" else f"{base}.py"
