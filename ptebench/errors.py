"""The one error of bad input."""


class InputError(Exception):
    """A fault that the user can mend; the message names the place, what was expected and the mend."""
