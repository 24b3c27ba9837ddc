"""The page of all keys: `make schema` keeps docs/guide/configuration.md."""

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

from ptebench.config.base import NAME, Settings, kinds
from ptebench.config.benchmark import Benchmark

HEAD = """# Configuration

<!-- `make schema` writes this page from ptebench/config/ -->

A configuration is a YAML file, or several, later ones laid over earlier ones key by key:
`--configfile configs/games.yaml configs/tuned.yaml`. `--config` lays values over all of them, or selects among the
names of a section: `--config datasets=[games]`.

Sections map names, which are yours to choose, to entries. The key `source` of a dataset, and `kind` of others, by
default the entry's own name, say which table below has its keys. Unknown keys are refused, with the nearest valid one.
[config.schema.json](../../config.schema.json) shows the same descriptions in editors.
"""
TABLE = ("", "| key | type | default | meaning |", "|---|---|---|---|")
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
BOUNDS = {
    "minimum": "at least {}", "exclusiveMinimum": "above {}", "exclusiveMaximum": "below {}",
    "minLength": "not empty", "minItems": "not empty",
}  # fmt: skip


def page() -> str:
    """Return the whole page."""
    sections = {name: classes(field.annotation) for name, field in Benchmark.model_fields.items()}
    lines = [HEAD, "## Top level", *table(Benchmark, {name for name, models in sections.items() if not models})]
    lines += ["", "Sections: " + ", ".join(f"[{name}](#{name})" for name, models in sections.items() if models) + "."]
    for section, models in sections.items():
        if models:
            lines += ["", f"## {section}", "", sentence(Benchmark.model_fields[section].description)]
            lines += entries(section, models)
    return "\n".join(lines) + "\n"


def classes(annotation: Any) -> dict[str, type[Settings]]:
    """Return the models that values of an annotation follow, by the title of their tables."""
    if by_tag := kinds(annotation):
        return by_tag
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return {annotation.__name__: annotation}
    return {title: model for part in get_args(annotation) for title, model in classes(part).items()}


def entries(section: str, models: dict[str, type[Settings]]) -> Iterator[str]:
    """Yield a table for each model of a section, and once for each that it needs."""
    done: set[type[Settings]] = set()
    for title, model in models.items():
        family: dict[str, type[Settings]] = {}
        for name, part in {**bases(model), title: model}.items():
            family |= {name: part, **parts(part)}
        for name, part in family.items():
            if part not in done:
                yield from ("", f"### {section}: {name}", "", sentence(part.__doc__))
                if further := [link(section, base) for base in bases(part)]:
                    yield f"Further keys: {', '.join(further)}."
                if keys := own_keys(part):
                    yield from table(part, set(keys), section)
        done.update(family.values())


def bases(model: type[Settings]) -> dict[str, type[Settings]]:
    """Return the models that a model inherits keys from, the most general first."""
    above = (base for base in reversed(model.__mro__[1:]) if issubclass(base, Settings))
    return {base.__name__: base for base in above if own_keys(base)}


def parts(model: type[Settings]) -> dict[str, type[Settings]]:
    """Return the models of a model's own keys, and those of theirs."""
    models_by_title: dict[str, type[Settings]] = {}
    for key in own_keys(model):
        for title, part in classes(model.model_fields[key].annotation).items():
            models_by_title |= {title: part, **parts(part)}
    return models_by_title


def own_keys(model: type[Settings]) -> list[str]:
    """Return the keys that a model does not inherit, without the one that chooses it."""
    own = inspect.get_annotations(model)
    return [key for key in model.model_fields if key in own and key not in ("kind", "source")]


def table(model: type[Settings], keys: set[str], section: str = "") -> Iterator[str]:
    """Yield the table of some of a model's keys, in their order."""
    schema = model.model_json_schema()
    properties, required = schema["properties"], schema.get("required", ())
    yield from TABLE
    for key in (key for key in model.model_fields if key in keys):
        value = properties[key]
        default = "required" if key in required else "" if "$ref" in value else code(value["default"])
        row = f"`{key}`", type_of(value, section), default, sentence(value["description"])
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"


def type_of(value: dict[str, Any], section: str) -> str:
    """Return what a property of a JSON schema allows, in words."""
    if "$ref" in value:
        return link(section, value["$ref"].rpartition("/")[2])
    if choices := value.get("anyOf", value.get("oneOf")):
        return ", or ".join(type_of(each, section) for each in choices)
    if "const" in value or "enum" in value:
        return ", ".join(code(each) for each in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {type_of(value['items'], section)}"
    if value.get("type") == "object":
        (inner,) = value.get("patternProperties", {"": value.get("additionalProperties", True)}).values()
        names = value.get("propertyNames", {}).get("enum")
        of = "" if inner is True else f" to {type_of(inner, section)}"
        return f"mapping of {', '.join(map(code, names)) if names else 'names'}{of}"
    if "pattern" in value:
        return "name" if value["pattern"] == NAME else f"text of the form {code(value['pattern'])}"
    if value.get("minimum") == 0 and value.get("maximum") == 1:
        return "number from 0 to 1"
    words = ["date" if value.get("format") == "date" else TYPES.get(value.get("type", ""), "anything")]
    return ", ".join(words + [text.format(value[key]) for key, text in BOUNDS.items() if key in value])


def code(value: Any) -> str:
    """Return a value as it stands in a YAML file."""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def link(section: str, title: str) -> str:
    """Return a link to a table."""
    return f"[{title}](#{section}-{title.lower()})"


def sentence(text: str | None) -> str:
    """Return a description on one line."""
    return " ".join((text or "").split())


if __name__ == "__main__":
    print(page(), end="")
