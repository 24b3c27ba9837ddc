"""What all sections share: a mapping of keys, types of values, and entries that choose their class by a key.

A section maps names to entries; an entry's `kind` (by default its own name) or `source` chooses the file that
implements it. Adding one is: write that file, add a class to its section here.
"""

import os
from types import ModuleType
from typing import Annotated, Any, TypeVar, Union, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema

Value = TypeVar("Value")


def _each_once(values: list[Value]) -> list[Value]:
    """Return a list; raise ValueError for a value that stands in it twice."""
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]!r} stands here twice; keep one")
    return values


def refuse_one_file_twice(paths: list[str]) -> list[str]:
    """Return paths; raise ValueError where two of them, however spelled, are one file."""
    _each_once([os.path.normpath(path) for path in paths])
    return paths


def _leaves(annotation: Any) -> set[Any]:
    """Return the types that an annotation is made of."""
    if hasattr(annotation, "__metadata__"):  # Annotated
        annotation = annotation.__origin__
    parts = get_args(annotation)
    return set().union(*map(_leaves, parts)) if parts else {annotation}


def _truths(value: Any) -> list[bool]:
    """Return the truth values that a value is, or has as a list or a mapping."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, bool)]


LONGEST = 100  # characters of a name, of which folders and files are named
NAME = r"^[a-z0-9][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST)]
EachOnce = AfterValidator(_each_once)
Names = Annotated[list[Name], Field(min_length=1), EachOnce]
# a file, a folder or a hub id; ~ is the home folder
Place = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
Places = Annotated[list[Place], Field(min_length=1), AfterValidator(refuse_one_file_twice)]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Shrinkage = Annotated[float, Field(ge=0)] | None
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what every library takes


class Settings(BaseModel):
    """Unknown keys are refused; values are not coerced silently; the string below a key is its description."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, raw: Any) -> Any:
        for name, field in cls.model_fields.items() if isinstance(raw, dict) else ():
            types = _leaves(field.annotation)
            if types & {int, float} and not types & {bool, Any} and (truths := _truths(raw.get(name))):
                raise ValueError(
                    f"{name}: expected a number, and YAML reads {truths[0]} (on, off, yes and no are words)"
                )
        return raw


class Kinds:
    """Stands beside a base class in an annotation: any class below it in `modules` that has the key `tag`."""

    def __init__(self, tag: str, *modules: ModuleType):
        self.tag, self.modules = tag, modules

    def classes(self, base: type[Settings]) -> dict[str, type[Settings]]:
        """Return the classes by the value of their tag, in order of definition."""
        own_classes = [
            c for m in self.modules for c in vars(m).values() if getattr(c, "__module__", None) == m.__name__
        ]
        models = [c for c in own_classes if isinstance(c, type) and issubclass(c, base) and self.tag in c.model_fields]
        return {get_args(model.model_fields[self.tag].annotation)[0]: model for model in models}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        union: Any = Union[tuple(self.classes(source).values())]  # noqa: UP007 (of computed members)
        return handler.generate_schema(Annotated[union, Field(discriminator=self.tag)])


def kinds(annotation: Any) -> dict[str, type[Settings]]:
    """Return the classes, by tag, of a base class with Kinds beside it; none of another annotation."""
    marks = [mark for mark in getattr(annotation, "__metadata__", ()) if isinstance(mark, Kinds)]
    return marks[0].classes(annotation.__origin__) if marks else {}


def kind_of(entry: Settings) -> str:
    """Return the kind of an entry of a section whose entries have one."""
    return str(vars(entry)["kind"])
