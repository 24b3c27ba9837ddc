"""Digests of code, inputs and configuration, and the record that each artefact carries."""

import ast
import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ptebench.errors import InputError, absence

REPOSITORY = Path(__file__).resolve().parents[1]
ROOTS = {"ptebench": REPOSITORY, "workflow_scripts": REPOSITORY}
PACKAGES = (
    "torch", "numpy", "scipy", "polars", "scikit-learn", "safetensors", "tokenizers",
    "transformers", "peft", "trl", "sentence-transformers",
)  # fmt: skip


def canonical(value: Any) -> str:
    """Return the one JSON text of a configuration value, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(text: str) -> str:
    """Return the sha256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder, by its path; of hidden ones, which are a job's own, none."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path): file_digest(path) for path in files}


def module_path(module: str) -> Path | None:
    """Return the file of a project module, None for a module of another project."""
    base = ROOTS.get(module.split(".")[0])
    if base is None:
        return None
    base = base.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _tree(module: str) -> tuple[str, ast.Module]:
    """Return the path of a project module in the checkout and its syntax tree; raise InputError where it has none."""
    base = ROOTS[module.split(".")[0]]
    if (path := module_path(module)) is None:
        file = base.joinpath(*module.split(".")).with_suffix(".py")
        raise InputError(
            f"{file.relative_to(base)}: {absence(file)}; jobs load it by its name: write it (CONTRIBUTING.md shows "
            f"how), or name another kind than {file.stem} in the configuration"
        )
    place = str(path.relative_to(base))
    try:
        return place, ast.parse(path.read_bytes())
    except SyntaxError as error:
        text = f": {error.text.strip()}" if error.text else ""
        raise InputError(f"{place}: line {error.lineno}: {error.msg}{text}; mend the line or the one above") from error
    except ValueError as error:
        raise InputError(f"{place}: no Python ({error}); write it anew") from error


@cache
def _parse(module: str) -> tuple[str, tuple[str, ...]]:
    """Return the syntax tree of a module without docstrings, and the project modules it imports."""
    place, tree = _tree(module)
    modules_of: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            _check_modules(place, node.lineno, *(alias.name for alias in node.names))
            modules_of.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise InputError(
                    f"{place}: line {node.lineno}: a relative import, which the digest of code does not follow; give "
                    "the module's full name"
                )
            _check_modules(place, node.lineno, node.module)
            modules_of.add(node.module)
            modules_of.update(f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if node.body and ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree), tuple(sorted(m for m in modules_of if module_path(m)))


def _check_modules(place: str, line: int, *modules: str) -> None:
    """Raise InputError for modules of this project that a line imports and that are not there."""
    for module in modules:
        base = ROOTS.get(module.split(".")[0])
        if base and module_path(module) is None and not (folder := base.joinpath(*module.split("."))).is_dir():
            why = absence(folder.with_suffix(".py"))
            raise InputError(f"{place}: line {line}: imports {module}: {why}; mend its name")


@cache
def import_closure(*modules: str) -> tuple[str, ...]:
    """Return every project module that importing `modules` executes.

    Raises InputError for a root that has no file, and for one that is no Python.
    """
    pending: list[str] = list(modules)
    visited: set[str] = set()
    while pending:
        module = pending.pop()
        if module in visited:
            continue
        visited.add(module)
        parts = module.split(".")
        pending += [p for i in range(1, len(parts)) if module_path(p := ".".join(parts[:i]))]
        pending += _parse(module)[1]
    return tuple(sorted(visited))


def code_modules(*modules: str) -> dict[str, str]:
    """Return the import closure of modules, each with 12 hexadecimal digits over its syntax tree."""
    return {module: digest(_parse(module)[0])[:12] for module in import_closure(*modules)}


@cache
def code_digest(*modules: str) -> str:
    """Return 12 hexadecimal digits over the import closure's syntax trees.

    Comments, docstrings and layout do not count. A module that is loaded by name
    (a backbone, a representation, a loss) is not seen by the walk and must be named.
    """
    return modules_digest(code_modules(*modules))


def modules_digest(modules: Any) -> str:
    """Return the digest of code of modules that are given with a digest each."""
    return digest(canonical(modules))[:12]


def checkout() -> dict[str, Any] | None:
    """Return the commit of this code, and whether the code had no changes beside it; None where git does not say."""
    command = ["git", "--no-optional-locks", "-C", str(REPOSITORY), "status", "--porcelain=v2", "--branch", "--"]
    try:
        status = subprocess.run([*command, *ROOTS], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    commit = next((line.split()[-1] for line in status if line.startswith("# branch.oid")), None)
    return {"commit": commit, "clean": all(line.startswith("#") for line in status)}


@cache
def processor() -> str:
    """Return the model of the processor, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def environment() -> dict[str, Any]:
    """Return the versions of Python, machine and packages, which can change results too."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {"python": platform.python_version(), "machine": platform.machine(), "packages": versions}
