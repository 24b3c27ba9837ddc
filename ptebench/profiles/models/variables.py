"""No environment variable is set while threads run: a thread that reads one just then may not survive it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import accelerate.utils.environment
import accelerate.utils.imports


@contextmanager
def cleared() -> Iterator[None]:
    """Show Python no variables; those of the process stay."""
    with patch.object(os, "environ", {}):
        yield


@contextmanager
def added(**variables: str) -> Iterator[None]:
    """Show Python more variables; those of the process stay."""
    with patch.object(os, "environ", os.environ | {name.upper(): str(value) for name, value in variables.items()}):
        yield


def keep() -> None:
    """Let accelerate, which clears and sets all variables to ask for a default, do so for Python alone."""
    accelerate.utils.environment.clear_environment = cleared
    accelerate.utils.imports.patch_environment = added
