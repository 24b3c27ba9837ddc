"""Who is drawn, what a probe measures, when rounds end."""

import numpy as np
import pytest
from ptebench.profiles.instructions import draw, generator, item_prompts, nearest, read_split, user_prompts
from ptebench.profiles.rounds import (
    choose,
    effective_rank,
    embedding_drift,
    field_drift,
    is_converged,
    mean_pairwise_cosine,
    ndcg,
    negatives,
    ranks,
)

from tests.profiles.synthetic import write_split

SPEC = {"history": 5, "neighbours": 2, "seed": 0}
FIELDS = {"Roles": ["a", "b", "c"], "Interests": ["d", "e", "f"]}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    return read_split(files["train"], files["vocabulary"], files["items"])


def test_probes_teach_nothing_and_their_held_out_item_is_gone(split):
    drawn = draw(split, 0, 8)
    for side in ("user", "item"):
        assert not set(drawn.probes[side]) & set(drawn.pool[side])
    assert drawn == draw(split, 0, 8) and drawn != draw(split, 1, 8)
    shown = split.without(drawn.held)
    for user, item in drawn.held:
        assert item == split.train[user][-1] and item not in shown.train[user]
        assert user not in shown.readers(99, 0).get(item, [])
        (prompt,) = user_prompts([user], shown.train, split.cards, {}, SPEC)
        assert prompt.count("\n- ") == len(shown.train[user][-5:])


def test_cold_and_readerless_items_show_similar_warm_ones(split):
    vectors = np.eye(25, dtype=np.float32)
    vectors[24] = vectors[1] + 0.1 * vectors[2]
    audience = {"Audience roles": list("abcde"), "Audience interests": list("fghij")}
    cold, warm = item_prompts(
        [24, 1], split, dict.fromkeys(split.train, FIELDS), {1: audience, 2: audience}, set(), vectors, SPEC
    )
    assert cold.index(split.cards.title[1]) < cold.index(split.cards.title[2]) and "Nobody has chosen it" in cold
    assert warm.count("a; b; c; d; e; f") == 2


def test_nearest_excludes_itself():
    assert nearest([1, 3], np.array([[0, 0], [1, 0], [1, 0.1], [0, 1]]), [1, 2], 2) == {1: [2], 3: [2, 1]}


def test_drifts():
    vectors = np.eye(3)
    assert embedding_drift(vectors, 5 * vectors) == pytest.approx(0)
    assert embedding_drift(vectors, -vectors) == pytest.approx(2)
    assert field_drift(['{"Roles": ["a", "b"]}', None], ['{"Roles": ["b", "c"]}', None]) == pytest.approx(1 / 3)


def test_diversity():
    assert effective_rank(np.vstack([np.eye(4), -np.eye(4)])) == pytest.approx(4)
    assert effective_rank(np.ones((5, 3))) == pytest.approx(1)
    assert mean_pairwise_cosine(np.ones((5, 3))) == pytest.approx(1)
    assert mean_pairwise_cosine(np.eye(4)) == pytest.approx(0)


def test_ranks_are_mid_ranks():
    vectors = np.array([[0.0, 0], [1, 0], [1, 0], [0, 1], [-1, 0]])
    found = ranks(np.array([[1.0, 0], [0, 1]]), vectors, np.array([[1, 2, 3, 4], [3, 1, 2, 4]]))
    assert found.tolist() == [1.5, 1.0]
    assert ndcg(np.array([1, 3, 11])).tolist() == [1, 0.5, 0]


def test_negatives_are_open_and_distinct():
    forbidden = [{1, 2}, {3}]
    rows = negatives(generator(0, "x"), np.array([0, 9, 9, 9, 1, 1, 1]), forbidden, 49)
    assert rows.shape == (2, 4)
    for row, closed in zip(rows.tolist(), forbidden):
        assert len(set(row)) == 4 and not set(row) & (closed | {0})


def test_rounds_end_and_the_best_stays():
    limits = {"embedding_drift": 0.02, "field_drift": 0.1}
    assert is_converged({"embedding_drift": 0.01, "field_drift": 0.05}, limits)
    assert not is_converged({"embedding_drift": 0.01, "field_drift": 0.2}, limits)
    assert not is_converged({"embedding_drift": None, "field_drift": None}, limits)
    probes = [{"utility": u, "converged": c} for u, c in ((0.9, False), (0.3, False), (0.5, True), (0.5, True))]
    record = choose(probes)
    assert record["best"] == 2 and record["converged"] == 2
