"""YAML files whose keys are text and stand once; in which line one stands."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

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


class Origin(str):
    """What a configuration is made from, as errors name it, which finds the line of a key in its files."""

    files: Sequence[Path | str] = ()
    changes: Sequence[str] = ()

    @classmethod
    def of(cls, files: Sequence[Path | str], changes: Sequence[str]) -> Self:
        """Return the origin of files and of keys that --config sets over them."""
        origin = cls(" + ".join(map(str, files)) + (f" with --config {' '.join(changes)}" if changes else ""))
        origin.files, origin.changes = files, changes
        return origin

    def with_line(self, sentence: str) -> str:
        """Return a sentence that begins with a key after the line of it, or of what it would stand in."""
        place = re.findall(r"no\. (\d+)|([^.\s]+)", sentence.partition(": ")[0])
        keys = [int(number) - 1 if number else name for number, name in place]
        if not keys or keys[0] in self.changes:
            return sentence
        places = [(*find(file, keys), file) for file in self.files]
        depth, line, file = max(reversed(places), key=lambda place: place[0])  # the last one that has most of it
        where = f"line {line} of {file}" if len(self.files) > 1 else f"line {line}"
        return f"{where}: {sentence}" if depth else sentence


def find(file: Path | str, keys: Sequence[str | int]) -> tuple[int, int]:
    """Return how many of the keys that lead to a place stand in a file, and the line of the last of them."""
    node, depth, line = yaml.compose(Path(file).read_text(encoding="utf-8"), yaml.SafeLoader), 0, 0
    for key in keys:
        if isinstance(node, yaml.MappingNode) and (at := [pair for pair in node.value if pair[0].value == key]):
            line, node = at[0][0].start_mark.line + 1, at[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            break
        depth += 1
    return depth, line
