"""What is said of a configuration that is not valid: a sentence a fault, with place, expectation and mend."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, Literal, TypeGuard, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ptebench.config.base import NAME, kinds
from ptebench.config.benchmark import Benchmark
from ptebench.config.language_models import MODELS
from ptebench.config.loader import Origin
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
    """Raise InputError that tells every fault once, of files with its line; return where there are none."""
    sentences = list(dict.fromkeys(map(where.with_line, faults) if isinstance(where, Origin) else faults))
    if len(sentences) == 1:
        raise InputError(f"{where}: {sentences[0]}")
    if sentences:
        more = [f"and {len(sentences) - MOST} more"] if len(sentences) > MOST else []
        raise InputError("\n  - ".join([f"{where}: {len(sentences)} faults", *sentences[:MOST], *more]))


def explanations(error: ValidationError, raw: dict[str, Any]) -> list[str]:
    """Return a sentence for each place of pydantic's findings, unknown keys first; none for the key that a typo lacks.

    What all alternatives of a type say of one value is one sentence.
    """
    faults: list[Any] = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    meant = {(*place[:-1], nearest(str(place[-1]), _keys(place[:-1]))) for place in unknown}
    by_path: dict[str, list[Any]] = {}
    for fault in faults:
        if fault["type"] != "missing" or fault["loc"] not in meant:
            by_path.setdefault(_path(fault, raw), []).append(fault)
    return [f"{path}: {text}".removeprefix(": ") for path, all_of in by_path.items() for text in _either(all_of)]


def _path(fault: Any, raw: dict[str, Any]) -> str:
    """Return the place of one of pydantic's findings; entries of lists count from 1."""
    path = "".join(f" no. {part + 1}" if isinstance(part, int) else f".{part}" for part in _place(fault, raw))
    if fault["type"].startswith("union_tag"):
        path += f".{fault['ctx']['discriminator']}".replace("'", "")
    return path.removeprefix(".")


def _either(faults: list[Any]) -> list[str]:
    """Return what is said of findings at one place, in one sentence where each says what is expected."""
    texts = list(dict.fromkeys(explain(fault, fault["loc"]) for fault in faults))
    begin, end = "expected ", f" ({faults[0]['input']!r} given)"
    if all(text.startswith(begin) and text.endswith(end) for text in texts):
        return [begin + ", or ".join(text.removeprefix(begin).removesuffix(end) for text in texts) + end]
    return texts


def explain(fault: Any, location: tuple[Any, ...]) -> str:
    """Return what one of pydantic's findings, at a location in the whole configuration, says: expectation and mend."""
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    end = "" if isinstance(value, dict | list) else f" ({value!r} given)"
    if kind == "extra_forbidden":
        return f"unknown key{_advice_on_indents(location, value) or advice(location)}"
    if kind == "missing":
        words = _choices(location)
        return MISSING + (f" ({', '.join(words)})" if words else "")
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


def _advice_on_indents(place: tuple[Any, ...], value: Any) -> str:
    """Return the end of a sentence on a key that is an entry of its section, by its name or by its keys; or nothing."""
    if len(place) < 3 or get_close_matches(str(place[-1]), _keys(place[:-1]), n=1, cutoff=0.75):
        return ""
    entry = _entry(place[0])
    models: list[Any] = [*kinds(entry).values(), *([entry] if _is_model(entry) else [])]
    alike = isinstance(value, dict) and value and any({*value} <= {*model.model_fields} for model in models)
    if not alike and place[-1] not in kinds(entry):
        return ""
    return f" here; is its line indented too far? As an entry of {place[0]!r} it begins where {place[1]!r} does"


def _choices(place: tuple[Any, ...]) -> list[str]:
    """Return what may stand at a pydantic location, where only a few words and mappings may."""
    model = _model(place[:-1])
    return _words(model.model_fields[place[-1]].annotation) if model and place[-1] in model.model_fields else []


def _words(annotation: Any) -> list[str]:
    """Return the words that are values of an annotation, and the keys that must be given of a mapping."""
    if _is_model(annotation):
        keys = [name for name, field in annotation.model_fields.items() if field.is_required()]
        return [f"{{{', '.join(f'{key}: {key.upper()}' for key in keys)}}}"] if keys else []
    parts = get_args(annotation)
    return [str(part) for part in parts] if get_origin(annotation) is Literal else [w for p in parts for w in _words(p)]


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
    model = _model(location)
    return list(model.model_fields) if model else []


def _model(location: tuple[Any, ...]) -> type[BaseModel] | None:
    """Return the model at a pydantic location, None where there is none."""
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
    return next((model for model in (node, *getattr(node, "__args__", ())) if _is_model(model)), None)


def _is_model(node: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(node, type) and issubclass(node, BaseModel)
