"""What a cell reads, by the settings of its backbone and its representation."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import PydanticUndefined

from ptebench.config import backbones, benchmark
from ptebench.config.base import Settings, kinds
from ptebench.files import LEAK

Sections = Mapping[str, dict[str, dict[str, Any]]]
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


def sources(reader: dict[str, Any], config: Sections, users: bool = True) -> dict[str, str]:
    """Return which text is read of `item`, `card` and `user`, by side; of users where their vectors are of use."""
    text = reader["text"]
    supplied = config.get("texts", {}).get(text)
    sides = [side for side in ("item", "user") if text != "card" and (supplied is None or supplied[side])]
    if not reader.get("items", True):
        sides = [side for side in sides if side != "item"]
    texts = {"item": text if "item" in sides else "card"}
    if "item" in sides and reader["card"]:
        texts["card"] = "card"
    if "user" in sides and users and reader.get("users", False):
        texts["user"] = text
    return texts


def aligned_sides(embedding: dict[str, Any], config: Sections) -> tuple[str, ...]:
    """Return which vectors an embedding has, of `item` and `user`."""
    return tuple(side for side in sources(embedding, config) if side != "card")


def text_sides(backbone: dict[str, Any], representation: dict[str, Any], config: Sections) -> tuple[str, ...]:
    """Return which text vectors a cell reads, of `item`, `card` and `user`; an embedding has the card in its items."""
    settings = reader(backbone, representation)
    if settings is None:
        return ()
    kind = BACKBONES[backbone["kind"]]
    users = kind.needs_users or kind.reads_profiles
    if embedding := config.get("embeddings", {}).get(settings["text"]):
        return tuple(side for side in aligned_sides(embedding, config) if side == "item" or users and settings["users"])
    return tuple(sources(settings, config, users))


def saw_held_out(saw: str | Mapping[str, Any], name: str, protocol: Mapping[str, Any]) -> bool:
    """Return whether who saw this wrote texts with what a protocol, by its name and settings, holds out."""
    if not isinstance(saw, str):
        return name != str(saw["protocol"])
    kind = protocol["kind"]
    published = protocol["given"] if kind == "cold_start_user" else kind == "snapshot" and not protocol["cut"]
    return saw == "all" or saw == "training" and not published


def text_label(backbone: dict[str, Any], representation: dict[str, Any], config: Sections, protocol: str) -> str | None:
    """Return what a cell reads, for tables, and whether its writer saw held-out items; None where it reads no text."""
    settings, read = reader(backbone, representation), text_sides(backbone, representation, config)
    if settings is None:
        return None
    embeddings = config.get("embeddings", {})
    items = settings["text"] if settings["text"] in embeddings else sources(settings, config)["item"]
    items += " + card" * ("card" in read)
    users = "users" if items.split(" ")[0] == settings["text"] else f"users by {settings['text']}"
    parts = [(items, settings["control"]["item"]), *[(users, settings["control"]["user"])] * ("user" in read)]
    label = ", ".join(part if control is None else f"{part} ({control})" for part, control in parts)
    text = embeddings.get(settings["text"], settings)["text"]
    supplied = config.get("texts", {}).get(text)
    leaks = supplied and saw_held_out(supplied["saw"], protocol, config["protocols"][protocol])
    return f"{label}; {LEAK}" if leaks else label
