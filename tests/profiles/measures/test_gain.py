"""The gain: what the cards say already gains nothing, and a fact that their mean dilutes does."""

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import ttest_1samp

from ptebench.files import EVENTS
from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.measures.gain import Gain, questions
from ptebench.profiles.measures.scorer import Scorer

USERS, ITEMS, TOPICS, LENGTH = 800, 240, 24, 8
COLD = set(range(ITEMS - 47, ITEMS + 1))  # the last items, which nobody of the training data chose
VECTORS = np.random.default_rng(1).normal(size=(3 * TOPICS, 24)).astype(np.float32)
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
WORDS = ["".join(np.random.default_rng(k).choice(LETTERS, 6)) for k in range(3 * TOPICS)]
PLACES = {word: place for place, word in enumerate(WORDS)}


def encode(texts):
    """Return the direction of the sum of a text's words."""
    known = [[PLACES[w] for w in text.lower().replace(";", " ").split() if w in PLACES] for text in texts]
    vectors = np.stack([VECTORS[places].sum(0) for places in known])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def topic(item):
    return (item - 1) % TOPICS


@pytest.fixture(scope="module")
def world():
    """Users choose by one topic, which two of their eight items are of; the other six are of any other, one each.

    The cards of cold items say nothing of their topic.
    """
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    shown = [int(random.integers(TOPICS)) if i in COLD else topic(i) for i in range(ITEMS + 1)]
    words = [random.permutation(WORDS[3 * t : 3 * t + 3]).tolist() for t in shown]
    titles = ["", *(" ".join(w) for w in words[1:])]
    empty = [""] * (ITEMS + 1)
    cards = Cards(titles, [[]] + [[w[0]] for w in words[1:]], empty, empty)
    taste = random.integers(TOPICS, size=USERS + 1)
    train, rows = {}, []
    for user in range(1, USERS + 1):
        own = [i for i in range(1, ITEMS + 1) if topic(i) == taste[user]]
        own = random.permutation([i for i in own if i not in COLD]).tolist() + [i for i in own if i in COLD]
        others = [1 + t + TOPICS * int(random.integers(8)) for t in random.permutation(TOPICS) if t != taste[user]]
        train[user] = random.permutation(own[:2] + others[: LENGTH - 2]).tolist()
        rows.append((user - 1, "full", user, train[user], [own[2] if user % 2 else own[-1 - user // 2 % 2]]))
    vocabulary = pl.DataFrame({"side": ["item"], "id": [1], "raw": ["x"]})
    split = Split(cards, train, vocabulary)
    vectors = np.vstack([0 * VECTORS[:1], encode(titles[1:])])
    valid = pl.DataFrame(rows, schema=EVENTS, orient="row")
    return split, valid, vectors, taste, words, Scorer(split, vectors, encode, 0)


def of_users(world, seed=0):
    split, valid, vectors, taste, words, scorer = world
    return Gain(questions("user", True, valid, split, vectors, set(), seed), scorer, seed)


def of_items(world, known):
    split, valid, vectors, taste, words, scorer = world
    return Gain(questions("item", known, valid, split, vectors, set(), 0), scorer, 0)


def salad(world, items, seed, count=6):
    """Return random words of the cards of items."""
    words = world[4]
    return " ".join(np.random.default_rng([seed, *items]).choice([w for i in items for w in words[i]], count))


def test_a_planted_fact_gains_and_words_of_the_history_do_not(world):
    split, _, vectors, taste, _, _ = world
    measure = of_users(world)
    fact = measure({u: WORDS[3 * taste[u]] for u in split.train}, encode)
    assert fact["gain_low"] > 0.02 and fact["gain_owners"] > 200
    for seed in range(3):
        found = measure({u: salad(world, split.train[u], seed) for u in split.train}, encode)
        assert found["gain_low"] <= 0 <= found["gain_high"] + 1e-3 and abs(found["gain"]) < 0.01, found
    another = measure({u: WORDS[3 * taste[u - 1]] for u in split.train}, encode)
    assert another["gain_low"] <= 0
    means = measure.of_cards()
    assert means["gain_low"] <= 0 <= means["gain_high"]


def test_a_fact_in_a_salad_is_found_still_and_one_text_for_all_gains_nothing(world):
    split, _, _, taste, _, _ = world
    measure = of_users(world)
    plain = {u: salad(world, split.train[u], 0, 2) for u in split.train}
    mixed = {u: f"{text} {WORDS[3 * taste[u]]}" for u, text in plain.items()}
    # of one draw the interval is wider than so small a gain: over ten, beside the salad without the fact
    draws = [of_users(world, seed) for seed in range(10)]
    more = [draw(mixed, encode)["gain"] - draw(plain, encode)["gain"] for draw in draws]
    assert ttest_1samp(more, 0, alternative="greater").pvalue < 0.001, more
    assert measure(dict.fromkeys(split.train, WORDS[0]), encode)["gain"] == pytest.approx(0, abs=1e-3)
    assert measure({}, encode) == {}
    assert measure.change({}, {1: WORDS[0], 2: WORDS[0]}, encode) == {}


def test_of_items_what_their_cards_do_not_say_gains(world):
    measure = of_items(world, False)
    ids = measure.questions.ids()
    assert set(ids) <= COLD and len(ids) > 40
    assert measure({i: WORDS[3 * topic(i)] for i in ids}, encode)["gain_low"] > 0.1
    for seed in range(3):
        found = measure({i: salad(world, [i], seed) for i in ids}, encode)
        assert found["gain_low"] <= 0 and found["gain"] < 0.02, found
    assert not set(of_items(world, True).questions.ids()) & COLD


def test_what_was_closed_is_not_asked_and_no_history_holds_a_candidate(world):
    split, valid, vectors, *_ = world
    open_ = set(range(1, 101))
    few = questions("user", True, valid, split, vectors, set(split.train) - open_, 0)
    assert set(few.ids()) <= open_
    for owner, candidates in zip(few.owners.tolist(), few.candidates.tolist()):
        assert not set(split.train[owner]) & set(candidates) and len(set(candidates)) == len(candidates) == 100
        assert candidates[0] in valid["targets"][owner - 1] and not COLD & set(candidates)
    assert questions("user", True, valid, split, vectors, set(split.train) - set(range(1, 21)), 0) is None
    assert questions("user", False, valid, split, vectors, set(), 0) is None
