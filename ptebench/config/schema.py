"""The JSON schema of the configuration, for editors: `make schema` keeps config.schema.json.

Entries may be empty, or leave out what chooses their class, as in a file that is laid over another.
"""

import json
from typing import Any, get_args

from ptebench.config.base import NAME, Settings, kinds
from ptebench.config.benchmark import Benchmark
from ptebench.config.read import NAMED_BY_KIND


def schema() -> dict[str, Any]:
    """Return the schema, in which every key has a description."""
    whole: dict[str, Any] = Benchmark.model_json_schema()
    for section, field in Benchmark.model_fields.items():
        for classes in filter(None, map(kinds, get_args(field.annotation))):
            tag = "kind" if section in NAMED_BY_KIND else "source"
            describe_tags(whole["$defs"], classes, tag)
            whole["properties"][section] |= entries(classes, tag)
    models = whole["properties"]["language_models"]["patternProperties"]
    for pattern in models:
        models[pattern]["oneOf"].append({"type": "null"})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole}


def describe_tags(definitions: dict[str, Any], classes: dict[str, type[Settings]], tag: str) -> None:
    """Give the tag of each class the description of the class, and leave it to the entry's name."""
    for model in classes.values():
        definition = definitions[model.__name__]
        definition["properties"][tag]["description"] = definition["description"]
        definition["required"].remove(tag)


def entries(classes: dict[str, type[Settings]], tag: str) -> dict[str, Any]:
    """Return what a section holds: entries of the class that their tag chooses or, without a tag, their name."""
    refs = {name: {"$ref": f"#/$defs/{model.__name__}"} for name, model in classes.items()}
    choices = [
        {"if": {"type": "object", "properties": {tag: {"const": name}}, "required": [tag]}, "then": ref}
        for name, ref in refs.items()
    ]
    entry = {"type": ["object", "null"], "properties": {tag: {"enum": list(refs)}}, "allOf": choices}
    default_kind = {"if": {"type": "object", "not": {"required": [tag]}}}
    return {
        "patternProperties": {NAME: entry},
        **(
            {"properties": {name: {**default_kind, "then": ref} for name, ref in refs.items()}} if tag == "kind" else {}
        ),
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
