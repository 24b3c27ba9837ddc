"""Overrides and axes of tuning: validation as if they stood in the settings that they replace."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any, TypeVar

from pydantic import ValidationError

from ptebench.config.backbones import Backbone
from ptebench.config.base import Settings, kind_of
from ptebench.config.benchmark import Benchmark
from ptebench.config.messages import explain, message, refuse
from ptebench.config.tuning import axes_of
from ptebench.errors import InputError

Key = TypeVar("Key")


def cast_changes(config: dict[str, Any], model: Benchmark, where: str) -> None:
    """Convert overrides and tuning's values to the types of the settings they replace: YAML reads 1e-3 as text.

    Each entry gets its axes, be they of its kind. Raises InputError where a replaced setting is not valid.
    """
    try:
        _cast(config, model)
    except InputError as error:
        refuse(where, [str(error)])


def _cast(config: dict[str, Any], model: Benchmark) -> None:
    """Convert the values; raise InputError that begins with the place of one that is not valid."""
    for dataset, cells in config["overrides"].items():
        for cell in sorted(cells):  # BACKBONE before BACKBONE.REPRESENTATION, which is laid over it
            backbone, _, representation = cell.partition(".")
            under = cells.get(backbone, {}) if representation else {}
            entry, place = model.backbones[backbone], f"overrides.{dataset}.{cell}"
            cells[cell] = apply_changes(entry, cells[cell], place, under)
    for section in ("backbones", "representations"):
        space, config["tuning"][section] = config["tuning"][section], {}
        for name, entry in getattr(model, section).items():
            place = f"tuning.{section}.{name if name in space else kind_of(entry)}"
            axes = axes_of(space, name, entry)
            for key, axis in axes.items():
                bounds = (axis["low"], axis["high"]) if isinstance(axis, dict) else None
                values = [apply_changes(entry, {key: value}, place, axes=axes)[key] for value in bounds or axis]
                if not bounds and len(set(map(repr, values))) < len(values):
                    raise InputError(f"{place}.{key}: a value stands here twice, and would be drawn twice; keep one")
                axes[key] = axis if bounds else values
            if axes:
                config["tuning"][section][name] = axes


def apply_changes(
    entry: Settings,
    changes: dict[str, Any],
    place: str,
    under: dict[str, Any] | None = None,
    axes: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return `changes` of some settings, laid over those `under` them, as they are once validated.

    Raises InputError where the whole is not valid: with `axes`, at no point of these.
    """
    kind, settings = type(entry), entry.model_dump() | (under or {})
    try:
        whole = kind.model_validate(settings | changes)
    except ValidationError as error:
        fault = error.errors()[0]
        key = "".join(f".{part}" for part in fault["loc"][:1])  # none where keys do not go together
        if key or not axes:
            section = "backbones" if isinstance(entry, Backbone) else "representations"
            reason = explain(fault, (section, place, kind_of(entry), *fault["loc"]))
            raise InputError(f"{place}{key}: {reason}") from None
        others = {key: axis for key, axis in axes.items() if key not in changes}
        valid = first_valid(kind, (settings | point | changes for point in points(others)))
        if valid is None:
            key, value = next(iter(changes.items()))
            raise InputError(
                f"{place}: {key} at {value}, with all that the other axes offer: {message(fault)}"
            ) from None
        whole = valid
    dump = whole.model_dump(mode="json")
    return {key: dump[key] for key in changes}


def first_valid(kind: type[Settings], candidates: Iterator[dict[str, Any]]) -> Settings | None:
    """Return the first of some settings that are valid, None where none are."""
    for settings in candidates:
        try:
            return kind.model_validate(settings)
        except ValidationError:
            continue
    return None


def points(axes: dict[Key, Any]) -> Iterator[dict[Key, Any]]:
    """Yield points of tuning axes, at most 2,000: of a range its whole numbers, or else its ends."""

    def values(axis: Any) -> Any:
        if isinstance(axis, list):
            return axis
        low, high = axis["low"], axis["high"]
        return range(low, high + 1) if isinstance(low, int) and isinstance(high, int) else (low, high)

    for point in islice(product(*(values(axis) for axis in axes.values())), 2000):
        yield dict(zip(axes, point, strict=True))
