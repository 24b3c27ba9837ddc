"""The one error of bad input, why a path is no file, and what a reader of JSON raises."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path


def printable(text: str) -> str:
    """Return text in which all that a terminal would take for a command, or turn round, is spelled out."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def absence(path: Path | str) -> str:
    """Return why there is no file at a path, with the file beside it whose name is nearest."""
    path, names = Path(path), list[str]()
    if path.is_dir():
        return "is a folder; name a file"
    with suppress(OSError):
        names = sorted(other.name for other in path.parent.iterdir())
    near = get_close_matches(path.name, names, 1, 0.8)
    return "no such file" + (f" (there is {near[0]})" if near else "")


class InputError(Exception):
    """A fault that the user can mend; the message names the place, what was expected and the mend."""

    def __str__(self) -> str:
        return printable(super().__str__())


# of text that is no UTF-8, no JSON, has a number of thousands of digits, or lists in lists without end
NO_JSON = (ValueError, RecursionError)


@contextmanager
def blame(sentence: Callable[[str], str]) -> Iterator[None]:
    """Raise InputError of whatever a library raises of the file that it reads; `sentence` has the reason in it.

    Each library has errors of its own, and Rust's panic is no Exception. A GPU without memory is no fault of a file.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        kind = type(error).__name__
        if kind == "OutOfMemoryError" or not (isinstance(error, Exception) or kind == "PanicException"):
            raise
        raise InputError(sentence((str(error).strip().splitlines() or [kind])[0])) from error
