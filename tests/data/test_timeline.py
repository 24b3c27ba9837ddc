"""The drawings of the documentation are those that the protocols' code makes today."""

import pytest

from ptebench.config.base import kinds
from ptebench.config.benchmark import Protocol
from ptebench.data.timeline import EXAMPLES, drawing, roles
from tests.conftest import REPOSITORY

KINDS = list(kinds(Protocol))


@pytest.mark.parametrize("kind", KINDS)
def test_drawing(kind):
    path = REPOSITORY / f"docs/guide/protocols/{kind}.svg"
    assert path.read_text() == drawing(kind), "stale: make drawings"
    assert f"protocols/{kind}.svg" in (REPOSITORY / "docs/guide/protocols.md").read_text()


def test_every_protocol_is_drawn_and_every_role_occurs():
    assert set(EXAMPLES) == set(KINDS)
    found = {kind: roles(kind) for kind in KINDS}
    assert set().union(*(f.values() for f in found.values())) == {"train", "valid", "test", "shown", "unused"}
    assert found["leave_one_out"]["Ada", 14] == "test" and found["leave_one_out"]["Ada", 11] == "valid"
    assert found["global_temporal"]["Eve", 18] == "unused", "after the end"
