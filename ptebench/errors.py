"""The one error of bad input, and what a reader of JSON raises."""


def printable(text: str) -> str:
    """Return text in which all that a terminal would take for a command, or turn round, is spelled out."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


class InputError(Exception):
    """A fault that the user can mend; the message names the place, what was expected and the mend."""

    def __str__(self) -> str:
        return printable(super().__str__())


# of text that is no UTF-8, no JSON, has a number of thousands of digits, or lists in lists without end
NO_JSON = (ValueError, RecursionError)
