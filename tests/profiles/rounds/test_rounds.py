"""Who is drawn, what a probe measures, when rounds end."""

from dataclasses import replace

import numpy as np
import pytest

from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import item_prompts, user_prompts
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.evidence.vectors import unit
from ptebench.profiles.measures.bootstrap import spread
from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine, pairwise_cosines
from ptebench.profiles.measures.ranking import nearness, negatives, ranks
from ptebench.profiles.rounds.drift import embedding_drift, field_drift
from ptebench.profiles.rounds.verdict import choose, is_steady, refusal, verdict
from ptebench.randomness import generator
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
    shown = split.without(drawn.pairs)
    for user, item in drawn.pairs:
        assert item == split.train[user][-1] and item not in shown.train[user]
        assert user not in shown.readers(99, 0).get(item, [])
        (prompt,) = user_prompts([user], shown.train, split.cards, {}, SPEC)
        assert prompt.count("\n- ") == len(shown.train[user][-5:])


def test_probes_are_of_every_degree(split):
    train = {u: list(range(1, 4 + (u > 90) * 17)) for u in range(1, 101)}
    drawn = draw(replace(split, train=train), 0, 10).probes["user"]
    assert sum(u > 90 for u in drawn) == 1 and len(drawn) == 10


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
    assert embedding_drift(vectors, 5 * vectors) == pytest.approx(np.zeros(len(vectors)), abs=1e-6)
    assert embedding_drift(vectors, -vectors) == pytest.approx(np.full(len(vectors), 2))
    where = {"a": [1, 0, 0], "c": [0, 1, 0], "d": [0.95, 0, 0.3], "e": [1, 0, 0.1]}

    def encode(phrases):
        return np.array([where[p] for p in phrases], dtype=float)

    assert field_drift(
        ['{"Roles": ["a", "b"]}', None], ['{"Roles": ["b", "c"]}', None], encode
    ).mean() == pytest.approx(1 / 3)
    # "d" says what "a" says; so does "e", but a phrase matches one other only
    assert field_drift(['{"Roles": ["a", "b"]}'], ['{"Roles": ["b", "d"]}'], encode).mean() == pytest.approx(0)
    assert field_drift(['{"Roles": ["a", "c"]}'], ['{"Roles": ["d", "e"]}'], encode).mean() == pytest.approx(1 - 1 / 3)
    assert field_drift([None], ['{"Roles": ["a"]}'], encode).tolist() == [1]


def test_diversity():
    assert effective_rank(np.vstack([np.eye(4), -np.eye(4)])) == pytest.approx(4)
    assert effective_rank(np.ones((5, 3))) == pytest.approx(1)
    assert mean_pairwise_cosine(np.ones((5, 3))) == pytest.approx(1)
    assert mean_pairwise_cosine(np.eye(4)) == pytest.approx(0)
    assert mean_pairwise_cosine(np.array([[1.0, 0], [1, 0], [0, 0]])) == pytest.approx(1 / 3)  # one has no vector
    vectors = generator(0, "x").normal(size=(40, 3)) + [1, 0, 0]
    cosines = unit(vectors) @ unit(vectors).T
    assert mean_pairwise_cosine(vectors) == pytest.approx(cosines[~np.eye(40, dtype=bool)].mean())
    # the spread of a mean over pairs, by leaving out one row at a time
    each = [mean_pairwise_cosine(np.delete(vectors, row, 0)) for row in range(40)]
    assert pairwise_cosines(vectors).std() / 40**0.5 == pytest.approx(np.std(each) * 39**0.5, rel=0.05)


def test_ranks_are_mid_ranks():
    vectors = np.array([[0.0, 0], [1, 0], [1, 0], [0, 1], [-1, 0]])
    found = ranks(np.array([[1.0, 0], [0, 1]]), vectors, np.array([[1, 2, 3, 4], [3, 1, 2, 4]]))
    assert found.tolist() == [1.5, 1.0]
    assert nearness(np.array([1, 3, 7])).tolist() == pytest.approx([1, 0.5, 1 / 3])


def test_negatives_are_open_and_distinct():
    forbidden = [{1, 2}, {3}]
    rows = negatives(generator(0, "x"), np.array([0, 9, 9, 9, 1, 1, 1]), forbidden, 49)
    assert rows.shape == (2, 4)
    for row, closed in zip(rows.tolist(), forbidden):
        assert len(set(row)) == 4 and not set(row) & (closed | {0})


def test_half_of_the_negatives_are_uniform_among_what_is_left():
    counts = np.concatenate([[0], np.full(20, 50), np.ones(380)])
    rows = negatives(generator(0, "x"), counts, [set()] * 1000, 40)
    popular = rows <= 20
    # of those that the draw by popularity left, as large a share is popular as of all that it left
    left = 20 - popular[:, :20].sum(1)
    expected = 20 * left.sum() / (1000 * 380)
    assert popular[:, 20:].sum(1).mean() == pytest.approx(expected, rel=0.15)


LIMITS = {"embedding_drift": 0.02, "field_drift": 0.1}
CALM = {
    "continues": 0, "embedding_drift": {"mean": 0.01}, "field_drift": {"mean": 0.05}, "utility": 0.5,
    "utility_change": {"mean": 0.0, "low": -0.1, "high": 0.1}, "effective_rank": {"user": 20.0},
    "effective_rank_before": 20.0, "parse_rate": {"user": 1.0, "item": 0.7},
    "parse_rate_change": {"user": {"mean": 0.0, "low": 0.0, "high": 0.0}, "item": {"mean": -0.05, "low": -0.1, "high": 0.0}},
}  # fmt: skip
FIRST = CALM | dict.fromkeys(
    ("continues", "embedding_drift", "field_drift", "utility_change", "parse_rate_change", "effective_rank_before")
)
ALIKE = CALM | {"effective_rank": {"user": 17.9}}


def test_the_interval_of_a_mean_is_the_normal_one_and_repeats():
    old = generator(0, "x").random(200)
    sure, none = spread(np.full(200, 0.01), generator(0, "b")), spread(old[::-1] - old, generator(0, "b"))
    assert sure["low"] == pytest.approx(0.01) and sure["high"] == pytest.approx(0.01)
    assert none["low"] < 0 < none["high"] and none == spread(old[::-1] - old, generator(0, "b"))
    # the normal interval of the same differences
    half = 1.96 * (old[::-1] - old).std() / 200**0.5
    assert none["high"] - none["low"] == pytest.approx(2 * half, rel=0.1)


def test_a_round_is_steady_by_drift_and_utility():
    assert is_steady(CALM, LIMITS) and not is_steady(FIRST, LIMITS)
    assert not is_steady(CALM | {"field_drift": {"mean": 0.2}}, LIMITS)
    assert not is_steady(CALM | {"utility_change": {"mean": 0.05, "low": 0.01, "high": 0.1}}, LIMITS)
    # a sure gain of less than half a percent is none, and a loss is no gain
    assert is_steady(CALM | {"utility_change": {"mean": 0.001, "low": 0.0005, "high": 0.0015}}, LIMITS)
    assert is_steady(CALM | {"utility_change": {"mean": -0.1, "low": -0.2, "high": -0.05}}, LIMITS)


def test_a_round_is_refused_for_a_fall_and_not_for_a_level():
    assert refusal(CALM) is None and refusal(FIRST) is None
    assert "effective rank of users' profiles 17.9, 20.0 before" in refusal(ALIKE)
    fall = {"mean": -0.1, "low": -0.2, "high": -0.01}
    fell = CALM | {"parse_rate_change": CALM["parse_rate_change"] | {"item": fall}}
    assert "parse rate of item profiles 0.700, 0.800 before" in refusal(fell)
    assert refusal(fell | {"parse_rate": {"user": 1.0, "item": 0.99}}) is None


def rounds(*figures):
    """Return the probes of consecutive rounds, as the chain makes them."""
    probes = []
    for figure in figures:
        probes.append(figure | verdict(figure, probes[-1] if probes else None, LIMITS))
    return probes


def test_rounds_end_after_two_steady_ones():
    probes = rounds(FIRST, CALM, CALM)
    assert [p["next"] for p in probes] == ["continue", "continue", "end"]
    assert [p["converged"] for p in probes] == [False, False, True]
    restless = CALM | {"embedding_drift": {"mean": 0.5}}
    assert not any(p["converged"] for p in rounds(FIRST, CALM, restless, CALM))


def test_a_refused_round_is_tried_once_more_and_then_rounds_end():
    probes = rounds(FIRST, ALIKE, CALM, ALIKE)
    assert [p["next"] for p in probes] == ["continue", "retry", "continue", "end"]
    assert [p["retried"] for p in probes] == [False, True, True, True]
    record = choose(probes)
    assert record["best"] == 0 and "effective rank" in record["stopped"] and record["converged"] is None
    # a refused round cannot be the best, however useful
    best = choose([p | {"utility": u} for u, p in zip((0.1, 0.9, 0.3, 0.9), probes)])["best"]
    assert [p["refused"] is None for p in probes] == [True, False, True, False] and best == 2
    record = choose(rounds(FIRST, ALIKE, ALIKE))
    assert record["best"] == 0 and record["shown"] is None


def test_the_best_round_stays():
    worths = (0.9, 0.3, 0.5, 0.5)
    probes = [p | {"utility": u} for u, p in zip(worths, rounds(FIRST, CALM, CALM, CALM))]
    record = choose(probes)
    assert record["best"] == 0 and record["converged"] == 2 and record["stopped"] is None
    assert choose([p | {"utility": u} for u, p in zip((0.1, 0.3, 0.5, 0.5), probes)])["best"] == 2
