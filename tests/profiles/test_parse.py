"""The grammar of profiles: what is accepted, what is repaired, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptebench.profiles.parse import FIELDS, PHRASES, layout, repaired, skeleton, strict

GOOD = "Roles: jazz fan; home cook; hiker\nInterests: piano; bread; long trails"
words = st.text("abcdefghij klmnop", min_size=1, max_size=12).map(lambda t: " ".join(t.split())).filter(bool)


@pytest.mark.parametrize("side", ["user", "item"])
@given(st.data())
def test_what_is_laid_out_is_read_back(side, data):
    phrases = st.lists(words, min_size=PHRASES[side], max_size=PHRASES[side], unique=True)
    fields = {field: data.draw(phrases) for field in FIELDS[side]}
    assert strict(layout(fields, side), side) == fields
    assert repaired(layout(fields, side), side) == (fields, None)


@pytest.mark.parametrize(
    "text, repair",
    [
        ("roles: Jazz Fan; home cook; hiker\ninterests: piano; bread; long trails.", "layout"),
        ("Roles: jazz fan, home cook, hiker\nInterests: piano, bread, long trails", "layout"),
        ("Sure!\n\nRoles: jazz fan; home cook; hiker; sailor\nInterests: piano; bread; long trails", "surplus phrases"),
        ("User identity: Jazz fan, Home cook, Hiker; User interests: Piano, Bread, Long trails.", "layout"),
    ],
)
def test_repairs_keep_the_phrases(text, repair):
    assert strict(text, "user") is None
    assert repaired(text, "user") == (strict(GOOD, "user"), repair)


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "missing heading"),
        ("Roles: a; b; c", "missing heading"),
        ("Roles: a; b; b\nInterests: d; e; f", "too few phrases"),
        ("Roles: a; b; 17\nInterests: d; e; f", "too few phrases"),
        ("Roles: a; b; c\nRoles: a; b; c\nInterests: d; e; f", "repeated heading"),
        (GOOD.replace("hiker", "x" * 61), "too few phrases"),
    ],
)
def test_nothing_is_invented(text, why):
    assert repaired(text, "user") == (None, why)


def test_the_skeleton_is_no_profile():
    for side in FIELDS:
        assert repaired(skeleton(side), side)[0] is None
