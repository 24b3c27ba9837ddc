"""The one error of bad input, and what a reader of JSON raises."""


class InputError(Exception):
    """A fault that the user can mend; the message names the place, what was expected and the mend."""


# of text that is no UTF-8, no JSON, has a number of thousands of digits, or lists in lists without end
NO_JSON = (ValueError, RecursionError)
