"""Mid-ranks: against an independent loop, two public evaluators and the laws that no evaluator may break."""

import time
import types

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptebench.files import InputError
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.top import recommend

ITEMS = 23


def rows(lists):
    """Return lists as (values, offsets)."""
    offsets = np.cumsum([0, *map(len, lists)])
    return torch.tensor([x for row in lists for x in row], dtype=torch.int64), torch.from_numpy(offsets)


def make_events(targets, history=None, candidates=None, remove_seen=False):
    values, offsets = rows(targets)
    seen, seen_offsets = rows(history or [[]] * len(targets))
    return {
        "targets": values, "target_offsets": offsets, "history": seen, "history_offsets": seen_offsets,
        "candidates": candidates, "remove_seen": remove_seen,
    }  # fmt: skip


def scored(scores):
    return lambda start, stop: scores[start:stop]


def by_hand(scores, targets, history, allowed, remove_seen):
    """Return ranks and candidate counts by the definition, one comparison at a time."""
    ranks, sizes = [], []
    for row, wanted, seen, listed in zip(scores, targets, history, allowed, strict=True):
        pool = set(listed) - (set(seen) if remove_seen else set()) | set(wanted)
        sizes.append(len(pool))
        for t in wanted:
            better = sum(row[i] > row[t] for i in pool)
            equal = sum(row[i] == row[t] for i in pool if i != t)
            ranks.append(1 + better + equal / 2)
    return ranks, sizes


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31), events=st.integers(1, 9), chunk=st.integers(1, 10), many=st.booleans(),
    remove_seen=st.booleans(), kind=st.sampled_from(["all", "set", "own"]), levels=st.sampled_from([2, 5, 1000]),
)  # fmt: skip
def test_equals_the_definition(seed, events, chunk, many, remove_seen, kind, levels):
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (events, ITEMS + 1)).astype(np.float32)
    scores[:, 0] = 9999
    scores[random.random(scores.shape) < 0.1] = -np.inf
    common = np.sort(random.choice(np.arange(1, ITEMS + 1), 12, replace=False))
    pool = common if kind == "set" else np.arange(1, ITEMS + 1)
    sizes = random.integers(0 if many else 1, 5 if many else 2, events)
    targets = [random.choice(pool, n, replace=False).tolist() for n in sizes]
    history = [random.integers(0, ITEMS + 1, random.integers(0, 8)).tolist() for _ in range(events)]
    own = random.integers(0, ITEMS + 1, (events, 7))
    if kind == "all":
        candidates, allowed = None, [range(1, ITEMS + 1)] * events
    elif kind == "set":
        candidates, allowed = torch.zeros(ITEMS + 1, dtype=torch.bool), [common.tolist()] * events
        candidates[common] = True
    else:
        candidates, allowed = torch.from_numpy(own), [set(row.tolist()) - {0} for row in own]
    got, count = rank_events(
        scored(torch.from_numpy(scores)), make_events(targets, history, candidates, remove_seen), ITEMS, chunk
    )
    ranks, pools = by_hand(scores, targets, history, allowed, remove_seen)
    assert got.dtype == torch.float64
    assert got.tolist() == ranks
    assert count.tolist() == pools


def test_constant_scorer_stands_in_the_middle():
    events = make_events([[3], [5], [7]])
    ranks, sizes = rank_events(scored(torch.ones(3, ITEMS + 1)), events, ITEMS)
    assert (ranks == (ITEMS + 1) / 2).all() and (sizes == ITEMS).all()


def test_oracle_stands_first():
    targets = [[3], [5], [7]]
    scores = torch.zeros(3, ITEMS + 1)
    scores[range(3), [3, 5, 7]] = 1
    ranks, _ = rank_events(scored(scores), make_events(targets, targets, remove_seen=True), ITEMS)
    assert (ranks == 1).all()


def test_half_precision_scores_are_compared_as_they_are():
    scores = torch.randn(4, ITEMS + 1).bfloat16()
    events = make_events([[1], [2], [3], [4]])
    assert torch.equal(
        rank_events(scored(scores), events, ITEMS)[0], rank_events(scored(scores.double()), events, ITEMS)[0]
    )


def test_refuses_scores_that_are_not_numbers():
    scores = torch.zeros(5, ITEMS + 1)
    scores[:, 0] = torch.nan  # padding is nobody's score
    rank_events(scored(scores), make_events([[1]] * 5), ITEMS, chunk=2)
    scores[3, 7] = torch.nan
    with pytest.raises(InputError, match="event 3: the score of item 7 is not a number"):
        rank_events(scored(scores), make_events([[1]] * 5), ITEMS, chunk=2)


def test_scores_of_a_counter_that_are_not_numbers_are_not_told_as_a_training_that_diverged():
    counter = types.SimpleNamespace(items=9, scores=lambda histories, users: torch.full((len(users), 10), torch.nan))
    one = Ragged(torch.tensor([1, 2]), torch.tensor([0, 1, 2]))
    events = types.SimpleNamespace(
        histories=one, targets=one, users=torch.tensor([1, 2]), candidates=None, event=torch.arange(2)
    )
    told = r"event 0: the score of item 1 is not a number; nothing of it is trained: mend `scores` of types\.py"
    for ask in (rank, lambda *words: recommend(*words, 5)):
        with pytest.raises(InputError, match=told):
            ask(counter, None, events, False)


def test_infinite_scores_are_numbers():
    scores = torch.zeros(1, ITEMS + 1)
    scores[0, 1], scores[0, 2] = torch.inf, -torch.inf
    assert rank_events(scored(scores), make_events([[2]]), ITEMS)[0].item() == ITEMS


def test_refuses_a_target_outside_the_candidates():
    allowed = torch.ones(ITEMS + 1, dtype=torch.bool)
    allowed[9] = False
    with pytest.raises(InputError, match="event 1: target 9"):
        rank_events(scored(torch.zeros(2, ITEMS + 1)), make_events([[1], [9]], candidates=allowed), ITEMS)


def test_refuses_scores_of_another_shape():
    with pytest.raises(ValueError, match="expected"):
        rank_events(scored(torch.zeros(2, ITEMS)), make_events([[1], [2]]), ITEMS)


def test_ranks_a_real_size_in_time():
    """22,363 events x 12,101 items cost little more than the product that scores them, however busy the machine."""
    random = torch.Generator().manual_seed(0)
    count, items = 22_363, 12_101
    users, table = (torch.randn(n, 64, generator=random) for n in (count, items + 1))
    lengths = torch.randint(5, 50, (count,), generator=random)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    events = {
        "targets": torch.randint(1, items + 1, (count,), generator=random),
        "target_offsets": torch.arange(count + 1),
        "history": torch.randint(1, items + 1, (int(offsets[-1]),), generator=random),
        "history_offsets": offsets, "candidates": None, "remove_seen": True,
    }  # fmt: skip

    def score(start, stop):
        return users[start:stop] @ table.T

    started = time.process_time()
    for start in range(0, count, 256):
        score(start, start + 256)
    product = time.process_time() - started
    started = time.process_time()
    ranks, _ = rank_events(score, events, items)
    assert time.process_time() - started < 8 * product  # 0.8 to 2 times seen; sorting takes 12 and more
    assert abs(ranks.mean().item() / items - 0.5) < 0.01
