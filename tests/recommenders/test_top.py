"""The best items of events: against sorting by hand, and the order of ties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.top import draw, list_events, pool_size
from tests.recommenders.test_ranking import ITEMS, make_events, scored


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31), events=st.integers(1, 9), chunk=st.integers(1, 10), k=st.sampled_from([1, 5, 40]),
    remove_seen=st.booleans(), kind=st.sampled_from(["all", "set", "own"]), levels=st.sampled_from([2, 5, 1000]),
)  # fmt: skip
def test_a_list_has_the_best_candidates_in_order_and_a_target_stands_where_it_ranks(
    seed, events, chunk, k, remove_seen, kind, levels
):
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (events, ITEMS + 1)).astype(np.float32)
    scores[:, 0] = 9999
    scores[random.random(scores.shape) < 0.1] = -np.inf
    common = np.sort(random.choice(np.arange(1, ITEMS + 1), 12, replace=False))
    targets = [[int(random.choice(common))] for _ in range(events)]
    history = [random.integers(0, ITEMS + 1, random.integers(0, 8)).tolist() for _ in range(events)]
    own = random.integers(0, ITEMS + 1, (events, 7))
    candidates, allowed = None, [range(1, ITEMS + 1)] * events
    if kind == "set":
        candidates, allowed = torch.zeros(ITEMS + 1, dtype=torch.bool), [common.tolist()] * events
        candidates[common] = True
    elif kind == "own":
        candidates, allowed = torch.from_numpy(own), [set(row.tolist()) - {0} for row in own]
    asked = make_events(targets, history, candidates, remove_seen)
    score = scored(torch.from_numpy(scores))
    lists, values = list_events(score, asked, torch.arange(events), ITEMS, k, chunk)
    ranks = rank_events(score, asked, ITEMS, chunk)[0].tolist()
    for row, wanted, seen, listed, got, found, rank in zip(
        scores, targets, history, allowed, lists.tolist(), values.tolist(), ranks, strict=True
    ):
        pool = set(listed) - (set(seen) if remove_seen else set()) | set(wanted)
        pool -= {item for item in pool if row[item] == -np.inf}
        size = min(k, len(pool))
        assert got[size:] == [0] * (k - size) and len(set(got[:size])) == size and set(got[:size]) <= pool
        assert [row[i] for i in got[:size]] == sorted((row[i] for i in pool), reverse=True)[:size] == found[:size]
        half = (sum(row[i] == row[wanted[0]] for i in pool) - 1) / 2  # of the items that equal the target
        if wanted[0] not in pool:
            assert wanted[0] not in got
        elif wanted[0] in got:
            assert abs(got.index(wanted[0]) + 1 - rank) <= half
        else:
            assert rank + half > k
    every = set().union(*map(set, allowed), *map(set, targets))
    assert pool_size(candidates, asked["targets"], ITEMS) == len(every)


def test_ties_are_in_an_order_of_each_events_own_that_no_chunk_changes():
    asked = make_events([[1]] * 400)
    flat = scored(torch.zeros(400, ITEMS + 1))
    lists, _ = list_events(flat, asked, torch.arange(400), ITEMS, 5)
    again, _ = list_events(flat, asked, torch.arange(400), ITEMS, 5, chunk=7)
    assert torch.equal(lists, again)
    named = torch.bincount(lists.flatten(), minlength=ITEMS + 1)[1:]
    # 2,000 draws among 23 items: 87 each, give or take four standard deviations
    assert named.min() > 87 - 4 * 8.2 and named.max() < 87 + 4 * 8.2
    assert len({tuple(row) for row in lists.tolist()}) > 390


def test_draws_have_no_pattern_and_are_those_of_splitmix64():
    numbers = draw(torch.arange(1000)[:, None], torch.arange(100)[None]).flatten()
    assert len(numbers.unique()) == 100_000
    bits = torch.stack([(numbers >> bit) & 1 for bit in range(64)]).double()
    assert (bits.mean(1) - 0.5).abs().max() < 0.01
    assert abs(float(torch.corrcoef(torch.stack([numbers[:-1], numbers[1:]]).double())[0, 1])) < 0.02

    def mix(value):
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            value = (value ^ value >> shift) * factor % 2**64
        return value ^ value >> 31

    expected = mix(41 + 1)
    assert int(draw(torch.tensor([41]))) % 2**64 == expected
    assert int(draw(torch.tensor([41]), torch.tensor([6]))) % 2**64 == mix((expected + 7) % 2**64)


@pytest.mark.parametrize("kind", ["popularity", "random"])
def test_a_counter_recommends_what_it_counts(kind):
    import importlib
    from types import SimpleNamespace

    counts = torch.tensor([0, 5, 3, 9, 1])
    counter = importlib.import_module(f"ptebench.recommenders.backbones.{kind}").Counter
    model = counter({}, SimpleNamespace(items=4, item_counts=counts))
    scores = model.scores([None] * 3, torch.tensor([7, 7, 8]))
    lists, _ = list_events(scored(scores), make_events([[1]] * 3), torch.arange(3), 4, 4)
    assert lists[0].tolist() == lists[1].tolist()
    assert (lists[0].tolist() == [3, 1, 2, 4]) is (kind == "popularity")
