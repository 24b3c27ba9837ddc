"""What a cell reads, by the settings of its backbone and its representation."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import PydanticUndefined

from ptebench.config import backbones, benchmark
from ptebench.config.base import Settings, kinds

Entries = Mapping[str, dict[str, Any]]
BACKBONES = cast("dict[str, type[backbones.Backbone]]", kinds(benchmark.Backbone))
REPRESENTATIONS = kinds(benchmark.Representation)


def defaults(model: type[Settings]) -> dict[str, Any]:
    """Return the default of every key that has one, as settings hold it."""
    values = {name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()}
    plain = {name: value.model_dump() if isinstance(value, Settings) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value is not PydanticUndefined}


def reader(backbone: dict[str, Any], representation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the settings by which a cell reads text, of the backbone where it counts; None where it reads none."""
    settings = backbone if BACKBONES[backbone["kind"]].counter else representation
    return settings if "text" in settings else None


def sides(settings: dict[str, Any], users: bool = True) -> tuple[str, ...]:
    """Return which text vectors a reader reads, of `item`, `card` and `user`; the last where `users` are of use."""
    profiles = settings["text"] != "card"
    return (
        "item",
        *["card"] * (profiles and settings["card"]),
        *["user"] * (profiles and users and settings.get("users", False)),
    )


def aligned_sides(embedding: dict[str, Any]) -> tuple[str, ...]:
    """Return which vectors an embedding has, of `item` and `user`."""
    return tuple(side for side in sides(embedding) if side != "card")


def text_sides(backbone: dict[str, Any], representation: dict[str, Any], embeddings: Entries) -> tuple[str, ...]:
    """Return which text vectors a cell reads, of `item`, `card` and `user`; an embedding has the card in its items."""
    settings = reader(backbone, representation)
    if settings is None:
        return ()
    read = sides(settings, BACKBONES[backbone["kind"]].needs_users)
    embedding = embeddings.get(settings["text"])
    return read if embedding is None else tuple(side for side in aligned_sides(embedding) if side in read)


def text_label(backbone: dict[str, Any], representation: dict[str, Any], embeddings: Entries) -> str | None:
    """Return what a cell reads, for tables; None where it reads no text."""
    settings, read = reader(backbone, representation), text_sides(backbone, representation, embeddings)
    if settings is None:
        return None
    items = " + ".join([settings["text"], *["card"] * ("card" in read)])
    parts = [(items, settings["control"]["item"]), *[("users", settings["control"]["user"])] * ("user" in read)]
    return ", ".join(part if control is None else f"{part} ({control})" for part, control in parts)
