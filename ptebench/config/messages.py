"""What is said of a configuration that is not valid: a sentence a fault, with place, expectation and mend."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from ptebench.config.base import NAME, kinds
from ptebench.config.benchmark import Benchmark
from ptebench.config.language_models import MODELS
from ptebench.errors import InputError

MOST_KINDS = 4  # that are told to have a key
MISSING = "this key must be given"
MAPPING, NUMBER, DATE = "keys with their values", "a whole number", "a date such as 2024-05-31"
WORDS = {  # for pydantic's: what is expected
    "dict_type": MAPPING, "model_type": MAPPING, "model_attributes_type": MAPPING, "list_type": "a list",
    "int_type": NUMBER, "int_parsing": NUMBER, "int_from_float": NUMBER,
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "date_type": DATE, "date_parsing": DATE, "date_from_datetime_parsing": DATE, "date_from_datetime_inexact": DATE,
    "greater_than": "a value above {gt}", "greater_than_equal": "a value of at least {ge}",
    "less_than": "a value below {lt}", "less_than_equal": "a value of at most {le}",
    "string_type": "text", "string_too_short": "text that is not empty",
    "string_too_long": "at most {max_length} characters", "string_pattern_mismatch": "text of the form {pattern}",
    "too_short": "a list of at least {min_length}", "literal_error": "{expected}",
}  # fmt: skip
MOST = 12  # faults that are told at once


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return which of `names` is spelled most like `name`; None where there are none."""
    return next(iter(get_close_matches(name, list(names), n=1, cutoff=0.0)), None)


def hint(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that proposes the nearest of `names`; nothing where there are none."""
    near = nearest(name, names)
    return f"; did you mean {near!r}?" if near else ""


def refuse(where: str, faults: Iterable[str]) -> None:
    """Raise InputError that tells every fault once; return where there are none."""
    sentences = list(dict.fromkeys(faults))
    if len(sentences) == 1:
        raise InputError(f"{where}: {sentences[0]}")
    if sentences:
        more = [f"and {len(sentences) - MOST} more"] if len(sentences) > MOST else []
        raise InputError("\n  - ".join([f"{where}: {len(sentences)} faults", *sentences[:MOST], *more]))


def explanations(error: ValidationError, raw: dict[str, Any]) -> list[str]:
    """Return a sentence for each of pydantic's findings, unknown keys first, without keys that lack by their typo."""
    faults: list[Any] = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    meant = {(*place[:-1], nearest(str(place[-1]), _keys(place[:-1]))) for place in unknown}
    return [_explain(fault, raw) for fault in faults if fault["type"] != "missing" or fault["loc"] not in meant]


def _explain(fault: Any, raw: dict[str, Any]) -> str:
    """Return the sentence of one of pydantic's findings, with its place; entries of lists count from 1."""
    path = "".join(f" no. {part + 1}" if isinstance(part, int) else f".{part}" for part in _place(fault, raw))
    if fault["type"].startswith("union_tag"):
        path += f".{fault['ctx']['discriminator']}".replace("'", "")
    return f"{path.removeprefix('.')}: {explain(fault, fault['loc'])}".removeprefix(": ")


def explain(fault: Any, location: tuple[Any, ...]) -> str:
    """Return what one of pydantic's findings, at a location in the whole configuration, says: expectation and mend."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    end = "" if isinstance(value, dict | list) else f" ({value!r} given)"
    if kind == "extra_forbidden":
        return f"unknown key{advice(location)}"
    if kind == "missing":
        return MISSING
    if kind.startswith("union_tag"):
        return _explain_kind(value, context, kinds(_entry(location[0])))
    if kind == "list_type" and end:
        return f"expected a list, [{value}]"
    if kind == "string_pattern_mismatch" and context["pattern"] == NAME:
        name = re.sub(r"[^a-z0-9_-]+", "-", value.lower()).strip("-_")
        return f"expected small letters, digits, _ and -{end}" + (f"; did you mean {name!r}?" if name else "")
    if kind == "literal_error" and isinstance(value, str):
        end += hint(value, [word.strip(" '") for word in context["expected"].replace(" or ", ", ").split(",")])
    if kind == "string_type" and isinstance(value, bool | int | float | date):
        end += "; in quotes it is text to YAML"
    return f"expected {WORDS[kind].format(**context)}{end}" if kind in WORDS else f"{message(fault)}{end}"


def _explain_kind(value: Any, context: dict[str, Any], classes: Mapping[str, type[BaseModel]]) -> str:
    """Return what is said of an entry whose kind or source is missing, or none: what is spelled so, or has its keys."""
    key, names = context["discriminator"].strip("'"), ", ".join(classes)
    if "tag" not in context:
        return f"{MISSING} ({names})"
    tag = context["tag"]
    alike = [kind for kind, model in classes.items() if {*value} <= {*model.model_fields}]
    if len(value) > 1 and len(alike) == 1 and not get_close_matches(tag, classes, 1, 0.75):
        return f"{tag!r} is unknown; with these keys, did you mean '{key}: {alike[0]}'? ({names})"
    return f"{tag!r} is unknown{hint(tag, classes)} ({names})"


def advice(place: tuple[Any, ...]) -> str:
    """Return the end of a sentence on an unknown key at a pydantic location.

    It names a key that is spelled like it here, or else kinds of the section, or other sections, that have such a key.
    """
    *above, name = place
    keys = _keys(tuple(above))
    if not get_close_matches(str(name), keys, n=1, cutoff=0.75) and (homes := _homes(str(name), above)):
        return f" here; it is a key of {' or '.join(homes)}"
    return hint(str(name), keys)


def _homes(name: str, above: list[Any]) -> list[str]:
    """Return where a key of this name belongs: in other kinds of its section, or else in other sections."""
    homes = ["the top of the file"] if above and name in Benchmark.model_fields else []
    for section in Benchmark.model_fields:
        entry = _entry(section)
        own = [kind for kind, model in kinds(entry).items() if name in model.model_fields]
        if own and len(above) == 3 and above[0] == section:  # section, name, kind
            more = f" and {len(own) - MOST_KINDS} more" if len(own) > MOST_KINDS else ""
            return [f"{', '.join(own[:MOST_KINDS])}{more}, not of {above[2]}"]
        if section not in above[:1]:
            models: list[Any] = [*kinds(entry).values(), entry]
            homes += [f"{section}.NAME"] if any(_is_model(m) and name in m.model_fields for m in models) else []
    return homes


def _entry(section: Any) -> Any:
    """Return the annotation of the entries of a section; None of a key that is none."""
    return getattr(Benchmark.model_fields[section].annotation, "__args__", (None,))[-1]


def message(fault: Any) -> str:
    """Return the message of one of pydantic's findings, of a sentence of ours without pydantic's mark."""
    return str(fault["msg"]).removeprefix("Value error, ")


def _place(fault: Any, raw: dict[str, Any]) -> list[Any]:
    """Return the keys of the file that lead to a fault: pydantic's location without what the file does not have."""
    location, place = list(fault["loc"]), list[Any]()
    node: Any = raw
    if _has_tag(location, raw):  # also where a key of the entry has the tag's name
        del location[2]
    for part in location[:-1]:
        if _has(node, part):
            place.append(part)
            node = node[part]
    last = location[-1] if location else ""
    return [*place, last] if _has(node, last) or fault["type"] == "missing" else place


def _has(node: Any, part: Any) -> bool:
    """Return whether a mapping has a key, or a list a place; pydantic also names the alternatives of a type so."""
    return isinstance(node, dict) and part in node or isinstance(node, list) and isinstance(part, int)


def _has_tag(location: list[Any], raw: dict[str, Any]) -> bool:
    """Return whether a pydantic location goes on, after section and name, with the entry's own `source` or `kind`."""
    node: Any = raw
    for part in location[:2]:
        node = node.get(part) if isinstance(node, dict) else None
    return len(location) > 2 and isinstance(node, dict) and location[2] in (node.get("source"), node.get("kind"))


def _keys(location: tuple[Any, ...]) -> list[str]:
    """Return the keys that the model at a pydantic location allows."""
    node: Any = Benchmark
    for part in location:
        if classes := kinds(node):  # the part is the tag
            node = classes[part]
        elif part in MODELS:
            node = MODELS[part]
        elif _is_model(node):
            node = node.model_fields[part].annotation
        else:  # of a mapping its values, of a list its items
            node = getattr(node, "__args__", (node,))[-1]
    models = [model for model in (node, *getattr(node, "__args__", ())) if _is_model(model)]
    return list(models[0].model_fields) if models else []


def _is_model(node: Any) -> bool:
    return isinstance(node, type) and issubclass(node, BaseModel)
