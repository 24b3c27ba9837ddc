"""YAML files whose keys are text and stand once."""

from pathlib import Path
from typing import Any

import yaml

from ptebench.errors import InputError


class Loader(yaml.SafeLoader):
    """YAML whose keys are text and stand once in a mapping; what `<<` merges may be set again."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.plain: set[int] = set()  # mappings whose merges are not yet laid in have been checked once

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys that stand in a mapping itself, then lay in what it merges."""
        if id(node) not in self.plain:
            self.plain.add(id(node))
            self._check(node)
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; raise InputError with its line where it is a day that no month has."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            place = f"line {node.start_mark.line + 1}: {node.value}"
            raise InputError(f"{place} cannot be read ({error}); mend it, or quote it to make it text") from error

    def _check(self, node: yaml.MappingNode) -> None:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError(f"line {line}: a list or a mapping stands where a key belongs; expected text")
            name = self.construct_object(key)
            if not isinstance(name, str):
                raise InputError(
                    f"line {line}: the key {key.value} is {name!r} to YAML, no text; quote it: '{key.value}'"
                )
            if name in lines:
                raise InputError(
                    f"line {line}: the key {name!r} stands on line {lines[name]} already; keep one of them"
                )
            lines[name] = line


def load(file: Path | str) -> Any:
    """Return what a YAML file holds; raise InputError naming file, line and key of a fault."""
    try:
        return yaml.load(Path(file).read_text(encoding="utf-8"), Loader)  # noqa: S506 (a safe one)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(
            f"{file}: {line}not YAML: {problem}; see there and in the line above: spaces before keys, as many for "
            "all of a level, quotes, colons"
        ) from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{file}: not readable as text in UTF-8 ({error})") from error
    except RecursionError as error:
        raise InputError(f"{file}: lists in lists without end ({error}); close them") from error
