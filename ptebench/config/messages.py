"""What is said of a configuration that is not valid: a sentence a fault, with place, expectation and mend."""

from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from ptebench.config.base import kinds
from ptebench.config.benchmark import Benchmark
from ptebench.config.language_models import MODELS
from ptebench.errors import InputError

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
    """Return the sentence of one of pydantic's findings."""
    path = ".".join(map(str, _place(fault, raw)))
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key{_advice(fault['loc'])}"
    if fault["type"] == "union_tag_invalid":
        names = [n.strip(" '") for n in fault["ctx"]["expected_tags"].split(",")]
        tag, key = fault["ctx"]["tag"], fault["ctx"]["discriminator"].strip("'")
        return f"{path}.{key}: {tag!r} is unknown{hint(tag, names)} ({', '.join(names)})"
    if fault["type"] == "literal_error" and isinstance(fault["input"], str):
        return f"{path}: {fault['msg']} ({fault['input']!r} given){hint(fault['input'], _values(fault))}"
    more = f" ({fault['input']!r} given)" if not isinstance(fault["input"], dict | list) else ""
    if fault["type"] == "string_type" and isinstance(fault["input"], bool | int | float | date):
        more += "; in quotes it is text to YAML"
    return f"{path}: {message(fault)}{more}".removeprefix(": ")


def _advice(place: tuple[Any, ...]) -> str:
    """Return the end of a sentence on an unknown key: one that is spelled like it here, or where a key has its name."""
    *above, name = place
    keys = _keys(tuple(above))
    if not get_close_matches(str(name), keys, n=1, cutoff=0.75) and (homes := _homes(str(name), above)):
        return f" here; it is a key of {' or '.join(homes)}"
    return hint(str(name), keys)


def _homes(name: str, above: list[Any]) -> list[str]:
    """Return where a key of this name belongs, other than in the section where it stands."""
    homes = ["the top of the file"] if above and name in Benchmark.model_fields else []
    for section, field in Benchmark.model_fields.items():
        entry: Any = getattr(field.annotation, "__args__", (None,))[-1]
        if section not in above[:1]:
            models: list[Any] = [*kinds(entry).values(), entry]
            homes += [f"{section}.NAME"] if any(_is_model(m) and name in m.model_fields for m in models) else []
    return homes


def message(fault: Any) -> str:
    """Return the message of one of pydantic's findings, of a sentence of ours without pydantic's mark."""
    return str(fault["msg"]).removeprefix("Value error, ")


def _values(fault: Any) -> list[str]:
    """Return the words that a key may be, from pydantic's list of them ('a', 'b' or 'c')."""
    return [word.strip(" '") for word in fault["ctx"]["expected"].replace(" or ", ", ").split(",")]


def _place(fault: Any, raw: dict[str, Any]) -> list[Any]:
    """Return the keys of the file that lead to a fault: pydantic's location without what the file does not have."""
    location, place = list(fault["loc"]), list[Any]()
    node: Any = raw
    if _has_tag(location, raw):  # also where a key of the entry has the tag's name
        del location[2]
    for part in location[:-1]:
        if (isinstance(node, dict) and part in node) or isinstance(node, list):
            place.append(part)
            node = node[part]
    last = location[-1] if location else ""
    if last not in ("[key]", *MODELS) and not (fault["type"].startswith("union_tag") and place and place[-1] == last):
        place.append(last)
    return place


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
