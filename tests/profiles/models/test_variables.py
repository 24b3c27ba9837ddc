"""The variables of a process stay as they are while its threads run."""

import os

from accelerate.utils import GradientAccumulationPlugin
from accelerate.utils.imports import is_cuda_available

from ptebench.profiles.models import variables


def test_accelerate_sees_what_it_set_and_changes_nothing(monkeypatch):
    def refuse(*change):
        raise AssertionError(f"a variable is changed: {change}")

    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "3")
    variables.keep()
    before = dict(os.environ)
    with monkeypatch.context() as patch:
        patch.setattr(os, "putenv", refuse)
        patch.setattr(os, "unsetenv", refuse)
        assert GradientAccumulationPlugin(num_steps=2).to_kwargs() == {"num_steps": 2}
        assert isinstance(is_cuda_available(), bool)
        with variables.cleared():
            assert os.getenv("PATH") is None
        with variables.added(no_such="1"):
            assert os.getenv("NO_SUCH") == "1" and os.getenv("PATH") == before["PATH"]
    assert dict(os.environ) == before
