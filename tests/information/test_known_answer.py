"""The suite's verdicts where the answer is planted: whether texts are all that users follow."""

import numpy as np
import pytest
import torch

from ptebench.information.folds import numbers
from ptebench.information.intervals import ratio
from ptebench.information.suite import TOLERANCE
from ptebench.information.task import Task
from tests.information.planted import shop


class Judge:
    """The task of a shop, and what vectors are worth in it."""

    def __init__(self, material):
        number = np.concatenate([[-1], numbers(material.counts[1:], 0)])
        self.task = Task(material.valid, material.test, material.counts, number, 0)
        self.popular = self.task.losses([])

    def gain(self, vectors):
        return ratio(self.popular - self.task.losses([vectors]))

    def added(self, u, v):
        """Return what v adds to u, and what it may."""
        without = self.task.losses([u, (u, v)])
        return ratio(without - self.task.losses([u, (u, v), v])), TOLERANCE * without.mean()


@pytest.fixture(scope="module")
def all_():
    return shop(0.0)


@pytest.fixture(scope="module")
def not_all():
    return shop(0.2)


def test_where_users_follow_what_texts_show_texts_suffice(all_):
    judge, (ids, text) = Judge(all_), all_.vectors.values()
    added, bound = judge.added(text, ids)
    assert added.high < bound
    assert judge.gain(text).low > 0.3


def test_where_users_follow_more_than_texts_show_texts_do_not_suffice(not_all):
    judge, (ids, text) = Judge(not_all), not_all.vectors.values()
    added, bound = judge.added(text, ids)
    assert added.low > 2 * bound


def test_texts_of_other_items_and_random_vectors_gain_nothing(all_):
    judge, text = Judge(all_), all_.vectors["text"]
    draws = torch.Generator().manual_seed(0)
    mixed = torch.cat([text[:1], text[1:][torch.randperm(len(text) - 1, generator=draws)]])
    random = torch.cat([text[:1], torch.randn(text[1:].shape, generator=draws)])
    for vectors in (mixed, random):
        gain = judge.gain(vectors)
        assert gain.low < 0.005 and gain.high < 0.02, gain


def test_the_same_seed_gives_the_same_losses(all_):
    judge, text = Judge(all_), all_.vectors["text"]
    np.testing.assert_array_equal(judge.task.losses([text], share=0.3), judge.task.losses([text], share=0.3))


def test_an_item_of_the_history_is_no_rival_of_the_target(all_):
    task, kind = Judge(all_).task, 1
    rows = task.of_fold[kind][0][:50]
    of, column = task._own_history(kind, rows, task.items[0])
    events = task.events[kind]
    for place, row in enumerate(rows.tolist()):
        own = set(events.values[events.offsets[row] : events.offsets[row + 1]].tolist())
        assert own & set(task.items[0].tolist()) == set(task.items[0][column[of == place]].tolist())
