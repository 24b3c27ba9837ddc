"""The Bradley-Terry model: its rejections are hard and no copies, and it prefers an owner's profile to another's."""

import re

import numpy as np
import pytest

from ptebench.files import TRAIN, InputError, ragged, read_table
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.evidence.vectors import history_means
from ptebench.profiles.grpo.preference import LEARNED, Preference, pairs
from ptebench.profiles.schema.fields import FIELDS, layout, strict
from ptebench.profiles.teachers.template import Template
from tests.profiles.synthetic import TOPICS, write_split

WORDS = {word: n for n, words in enumerate(TOPICS.values()) for word in words}
WORDS |= {topic.lower(): n for n, topic in enumerate(TOPICS)}


def encode(texts):
    """A text lies where its words' topics lie."""
    found = [[WORDS[w] for w in re.findall(r"[a-z]+", text.lower()) if w in WORDS] for text in texts]
    return np.stack([np.bincount(topics, minlength=4) for topics in found]).astype(np.float32)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    split = read_split(files["train"], files["vocabulary"], files["items"])
    cards = np.vstack([np.zeros(4), np.eye(4)[np.arange(split.items) % 4]]).astype(np.float32)
    teacher = Template(split.cards, *split.ragged())
    users = dict(zip(split.train, teacher.users(*ragged(read_table(files["train"], TRAIN)["history"]))))
    items = dict(enumerate(teacher.items(np.arange(1, split.items + 1)), 1))
    return split, {"user": (users, history_means(split, cards)), "item": (items, cards)}


@pytest.mark.parametrize("side", ["user", "item"])
def test_rejections_are_hard_whole_and_no_copies(world, side):
    split, (template, known) = world[0], world[1][side]
    owners = list(split.train) if side == "user" else split.warm().tolist()
    found = pairs(owners, template, split, known, side, 0)
    kinds = {"matched", "neighbour", "swapped"} | ({"older"} if side == "user" else set())
    assert set(found.kinds.tolist()) == kinds
    for owner, chosen, rejected, kind in zip(found.owners.tolist(), found.chosen, found.rejected, found.kinds):
        assert chosen == layout(template[owner], side) != rejected and strict(rejected, side)
        if kind == "swapped":
            own, other = strict(chosen, side), strict(rejected, side)
            assert sum(own[field] == other[field] for field in FIELDS[side]) == 1
    learned, measured = (set(found.owners[of].tolist()) for of in (found.learned, ~found.learned))
    assert learned and measured and not learned & measured and len(learned) > LEARNED * len(owners) - 2
    again = pairs(owners, template, split, known, side, 0)
    assert again.rejected == found.rejected != pairs(owners, template, split, known, side, 1).rejected


def test_an_owners_profile_is_preferred_to_anothers(world):
    split, (template, known) = world[0], world[1]["user"]
    model = Preference(pairs(list(split.train), template, split, known, "user", 0), known, encode)
    assert model.accuracy["matched"] > 0.6
    owner = known[[1]]
    scores = model(np.eye(4), np.repeat(owner, 4, 0))
    assert scores.argmax() == owner.argmax() and (np.abs(scores) <= 1).all()


def test_too_few_owners_are_an_error(world):
    split, (template, known) = world[0], world[1]["user"]
    with pytest.raises(InputError, match="preference: 3 users .* expected at least 8; lower 'prompts'"):
        pairs(list(split.train)[:3], template, split, known, "user", 0)
