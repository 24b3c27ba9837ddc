"""What a scheduler's shell is given holds nothing that it would read on in."""

import pytest

from ptebench.plan.submissions import faults


@pytest.mark.parametrize("word", ["/a/$(x)", "/a/`x`", "it's", 'seeds="x"', "a\\b", "a\nb", "a!b"])
def test_what_a_shell_would_read_on_in_is_named(word):
    (fault,) = faults(["/a/b c/\u00fc;&|*", word, "datasets=[toys]"])
    assert fault.startswith(f"{word}: ") and "in what a scheduler's shell is given" in fault
