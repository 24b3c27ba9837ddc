"""What each measure says of texts whose worth is known."""

import numpy as np
import pytest

from ptebench.profiles.evidence.prompts import assemble
from ptebench.profiles.evidence.vectors import unit
from ptebench.profiles.grpo.rewards import gate, length, over_smoothing
from ptebench.profiles.measures.diversity import likeness
from ptebench.profiles.measures.faithfulness import chance_support, copying, faithfulness, phrase_vectors, support
from ptebench.profiles.measures.identification import identification
from ptebench.profiles.measures.ranking import auc, gain, ranks
from ptebench.profiles.schema.fields import phrases

FIELDS = {"Roles": ["a", "b", "c"], "Interests": ["d", "e", "f"]}


def test_the_gate_is_open_for_the_schema_alone():
    good = "Roles: a; b; c\nInterests: d; e; f"
    assert gate([good, good.replace("; c", ""), "", "like everything"], "user") == [0, -1, -1, -1]
    assert phrases(FIELDS, "user") == list("abcdef")


def test_a_gain_over_the_reference():
    assert gain(np.array([1.0, 3, 2]), np.array([3.0, 1, 2])) == pytest.approx([0.5, -0.5, 0])


@pytest.mark.parametrize(
    "tokens, expected", [(0, -1), (5, -1), (12.5, -0.5), (20, 0), (80, 0), (104, -0.5), (128, -1), (999, -1)]
)
def test_length(tokens, expected):
    assert length(np.array([tokens])) == pytest.approx([expected])


def test_support_is_that_of_the_nearest_evidence_and_padding_is_none():
    vectors = np.array([[[1.0, 0], [0, -1]], [[1, 0], [0, 1]]])
    evidence = np.array([[[2.0, 0], [0, 1], [0, 0]], np.zeros((3, 2))])
    assert support(vectors, evidence) == pytest.approx(np.array([[1, 0], [-1, -1]]))
    ragged = phrase_vectors([["a"], ["b", "c"]], lambda texts: np.ones((len(texts), 2)))
    assert np.isnan(ragged[0, 1]).all() and np.isnan(support(ragged, evidence)).tolist() == [[False, True], [False] * 2]
    # the second phrase has no support above nothing: a row of zeros must not pass for a cosine of 0
    assert support(-vectors[:1], np.array([[[1.0, 0], [0, 0]]])) == pytest.approx(np.array([[-1, 0]]))


def test_the_threshold_is_what_strangers_reach_by_chance():
    # each owner's own phrases lie in the evidence, those of the other one beside it
    vectors, shown = {"a": [1.0, 0], "d": [0, 1.0]}, np.array([[[1.0, 0]], [[0, 1.0]]])
    others = {1: {"Roles": ["a"] * 3, "Interests": ["a"] * 3}, 2: {"Roles": ["d"] * 3, "Interests": ["d"] * 3}}
    encode = lambda texts: np.array([vectors[t] for t in texts])  # noqa: E731
    assert chance_support(others, "user", np.array([1, 2]), shown, encode, 0) == pytest.approx(0)
    assert chance_support(others, "user", np.array([8, 9]), shown, encode, 0) == pytest.approx(1)


def test_copied_titles_are_found_and_categories_are_not():
    prompt = ["the long way home to nowhere | books > crime", "how to bake bread without an oven | food"]
    prompt = assemble("Summarise what this person likes. Items they chose, newest last:", prompt, "user")
    titles = ["the long way home to nowhere", "how to bake bread without", "crime"]
    own = ["crime", "books > crime", "food", "reads about the long way home at night"]
    pieces = ["long way home", "bake bread without", "an oven"]
    found = copying([titles, own, ["crime"], pieces, ["exactly in this form"]], [prompt] * 5)
    assert found == pytest.approx([11 / 12, 4 / 12, 0, 6 / 8, 0])


def test_a_copied_title_list_loses_what_faithfulness_gives():
    supports = np.array([[0.9, 0.8], [0.9, 0.8], [0.9, 0.1], [0.1, 0.1], [0.1, 0.1]])
    # a profile without a sentence has one phrase fewer, and each counts alike
    assert faithfulness(np.array([[1, 0, np.nan], [1, 0, 1]]), 0.5, np.zeros(2)) == pytest.approx([0, 1 / 3])
    found = faithfulness(supports, 0.5, np.array([0, 1, 0.5, 0, 1]))
    assert found == pytest.approx([1, 0, -0.5, -1, -1])


def test_the_owner_is_identified():
    vectors = np.array([[0.0, 0], [1, 0], [0, 1], [-1, 0]])
    crowd = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3]])
    rank = ranks(np.array([[1.0, 0], [0, 1], [-1, 0]]), vectors, crowd)
    assert identification(rank) == pytest.approx([1, 1 / np.log2(3.5), 0.5])


def test_texts_that_all_say_the_same_are_over_smoothed():
    owners = np.array([1, 1, 2, 2])
    same, apart = np.ones((4, 2)), np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    assert likeness(same, owners) == pytest.approx(np.ones(4)) and likeness(apart, owners) == pytest.approx(np.zeros(4))
    assert over_smoothing(likeness(same, owners), 0.4) == pytest.approx(0.3 * np.ones(4))
    assert not over_smoothing(likeness(apart, owners), 0.4).any()
    alone = likeness(same, np.ones(4))
    assert np.isnan(alone).all() and not over_smoothing(alone, 0.4).any()


def test_auc_counts_pairs_and_leaves_padding_out():
    vectors = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [1, 1]])
    queries = np.array([[1.0, 0], [0, 1], [1, 0]])
    positives, negatives = np.array([[1, 2], [1, 0], [2, 0]]), np.array([[3, 4], [3, 2], [4, 0]])
    near = unit(vectors) @ unit(queries).T
    scores = [np.stack([near[row, place] for place, row in enumerate(ids)]) for ids in (positives, negatives)]
    assert auc(*scores, positives, negatives) == pytest.approx([(2 + 1.5) / 4, 0, 0.5])
