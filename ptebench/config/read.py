"""Reading a configuration: files one over the other, checks, defaults, and the selection of the command line.

python -m ptebench.config.read own.yaml     # prints the tables that it makes, or what is wrong in which line
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ptebench.config.benchmark import Benchmark
from ptebench.config.changes import cast_changes
from ptebench.config.checks import check_names
from ptebench.config.grid import check_grid
from ptebench.config.loader import Origin, load
from ptebench.config.messages import advice, explanations, nearest, refuse
from ptebench.config.representations import Text
from ptebench.errors import InputError

NAMED_BY_KIND = ("protocols", "encoders", "backbones", "representations")  # where a name says the kind
SELECTABLE = ("datasets", "protocols", "backbones", "representations", "tables")


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on it, mappings key by key, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


def read(files: Sequence[Path | str], overrides: dict[str, Any]) -> dict[str, Any]:
    """Read configuration files, later ones over earlier ones, and `--config` values over both.

    `--config datasets=[toys]` keeps the definitions and selects among them. Returns a plain dict with
    all defaults filled in. Raises InputError naming file and key.
    """
    raw: dict[str, Any] = {}
    for file in files:
        if not isinstance(content := load(file), dict):
            raise InputError(f"{file}: expected keys and values at the top, such as 'datasets:'")
        raw = merge(raw, content)
    selection = {k: v for k, v in overrides.items() if k in SELECTABLE and not isinstance(v, dict)}
    raw = merge(raw, {k: v for k, v in overrides.items() if k not in selection})
    refuse(
        "--config", (f"{key}: unknown key{advice((key,))}" for key in overrides if key not in Benchmark.model_fields)
    )
    changes = [key for key in overrides if key not in selection]
    try:
        return select(resolve(raw, Origin.of(files, changes)), selection)
    except InputError as error:
        if not files or (base := base_of(files[0])) is None:
            raise
        hint = f"{files[0]} says that it is laid over {base}; name that before it"
        raise InputError(f"{error}\n  {hint}") from error


def base_of(file: Path | str) -> str | None:
    """Return what a file is to be laid over by its first comment; None where it stands alone."""
    comment = re.match(r"(?:#.*\n)*", Path(file).read_text(encoding="utf-8"))
    clause = re.search(r"laid over ([^,:;]*?)(?=[,:;]|\.?$)", comment[0] if comment else "", re.MULTILINE)
    return clause[1] if clause else None


def resolve(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Validate a configuration and fill in the defaults; raise InputError that names every key at fault."""
    for section, entries in raw.items():
        if isinstance(entries, dict) and section in Benchmark.model_fields and section != "tables":
            # an entry may be empty, and its name says the kind where nothing else does
            kind = section in NAMED_BY_KIND
            raw[section] = {
                name: {**({"kind": name} if kind else {}), **(entry or {})} if isinstance(entry, dict | None) else entry
                for name, entry in entries.items()
            }
    try:
        model = Benchmark.model_validate(raw, strict=False)
    except ValidationError as error:
        refuse(where, explanations(error, raw))
        raise
    config = model.model_dump(mode="json")
    for name, settings in model.representations.items():
        if isinstance(settings, Text) and settings.rate is None:
            config["representations"][name]["rate"] = (
                settings.aligned_rate if settings.text in model.embeddings else 1.0
            )
    check_names(model, where)
    cast_changes(config, model, where)
    check_grid(model.model_copy(update={"overrides": config["overrides"]}), where)
    return config


def select(config: dict[str, Any], selection: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with selected names alone in tables and analyses; raise InputError for unknown ones."""
    for axis, names in selection.items():
        names = names if isinstance(names, list) else [names]
        for name in names:
            if name not in config[axis]:
                near = nearest(str(name), config[axis])
                raise InputError(f"--config {axis}: {name!r} is not defined; did you mean {near!r}?")
        if axis == "tables":
            config["tables"] = {k: v for k, v in config["tables"].items() if k in names}
            continue
        tables = {}
        for table, settings in config["tables"].items():
            if axis in ("datasets", "protocols"):
                entry = {**settings, axis: [n for n in settings[axis] if n in names]}
            else:
                rows = [{**r, axis: [n for n in r[axis] if n in names]} for r in settings["rows"]]
                entry = {**settings, "rows": [r for r in rows if r["backbones"] and r["representations"]]}
            if entry["datasets"] and entry["protocols"] and entry["rows"]:
                tables[table] = entry
        config["tables"] = tables
        if axis in ("datasets", "protocols"):
            for analysis in config["information"].values():
                analysis[axis] = [name for name in analysis[axis] if name in names]
    return config


if __name__ == "__main__":
    try:
        for table in read(sys.argv[1:] or ["config.yaml"], {})["tables"]:
            print(f"results/tables/{table}.md")
    except InputError as error:
        sys.exit(f"error: {error}")
