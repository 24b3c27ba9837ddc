"""What a cell reads, by the settings of its backbone and its representation."""

from typing import Any, cast

from ptebench.config import backbones, benchmark
from ptebench.config.base import kinds

BACKBONES = cast("dict[str, type[backbones.Backbone]]", kinds(benchmark.Backbone))


def reader(backbone: dict[str, Any], representation: dict[str, Any]) -> dict[str, Any] | None:
    """Return the settings by which a cell reads text, of the backbone where it counts; None where it reads none."""
    settings = backbone if BACKBONES[backbone["kind"]].counter else representation
    return settings if "text" in settings else None


def text_sides(backbone: dict[str, Any], representation: dict[str, Any]) -> tuple[str, ...]:
    """Return which text vectors a cell reads, of `item`, `card` and `user`."""
    settings = reader(backbone, representation)
    if settings is None:
        return ()
    profiles = settings["text"] != "card"
    users = settings.get("users", False) and BACKBONES[backbone["kind"]].needs_users
    return ("item", *["card"] * (profiles and settings["card"]), *["user"] * (profiles and users))


def text_label(backbone: dict[str, Any], representation: dict[str, Any]) -> str | None:
    """Return what a cell reads, for tables; None where it reads no text."""
    settings, sides = reader(backbone, representation), text_sides(backbone, representation)
    if settings is None:
        return None
    items = " + ".join([settings["text"], *["card"] * ("card" in sides)])
    parts = [(items, settings["control"]["item"]), *[("users", settings["control"]["user"])] * ("user" in sides)]
    return ", ".join(part if control is None else f"{part} ({control})" for part, control in parts)
