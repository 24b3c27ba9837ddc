"""Which modules a digest of code counts: kept beside the results, so that a plan can name what changed."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ptebench.files import write_json
from ptebench.provenance import code_digest, code_modules, module_path
from ptebench.records import read_modules

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
    codes = ((getattr(job.rule.params, "code", None), job.wildcards) for job in jobs)
    for digest in sorted({code(wildcards) for code, wildcards in codes if code}):
        if read_modules(file := FOLDER / f"{digest}.json") is None:
            write_json(code_modules(*NAMED[digest]), file)


def changed_modules(before: str, now: str) -> list[str]:
    """Return the files of code that differ between a digest of an earlier run and one of this plan."""
    old = read_modules(FOLDER / f"{before}.json")
    if old is None or now not in NAMED:
        return ["code changed"]
    new = code_modules(*NAMED[now])
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    words = (("is new" if name not in old else "changed") if name in new else "is gone" for name in names)
    texts = [f"{path(name)} {word}" for name, word in zip(names, words)]
    return texts[:MOST] + ([f"{len(names) - MOST} more files"] if len(names) > MOST else [])


def path(module: str) -> str:
    """Return the path of a module in the checkout."""
    base = module.replace(".", "/")
    file = module_path(module)
    return f"{base}/__init__.py" if file is not None and file.name == "__init__.py" else f"{base}.py"
