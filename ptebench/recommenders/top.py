"""The best items of events: lists of K among everything that an event ranks, in chunks, on any device."""

import torch

from ptebench.recommenders.evaluation import CHUNK, ask
from ptebench.recommenders.ranking import BLOCK, DIVERGED, Pool, check_scores, pool_of, tensor

FACTORS = (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)  # of SplitMix64, as signed numbers


def draw(*numbers: torch.Tensor) -> torch.Tensor:
    """Return a number for each row of whole numbers, the same on every machine and without a pattern (SplitMix64)."""
    value = torch.zeros(1, dtype=torch.int64)
    for number in numbers:
        value = value + number + 1
        for shift, factor in zip((30, 27), FACTORS, strict=True):
            value = (value ^ _shift(value, shift)) * factor
        value = value ^ _shift(value, 31)
    return value


def _shift(value: torch.Tensor, by: int) -> torch.Tensor:
    """Return int64 shifted to the right with zeros from the left."""
    return (value >> by) & ((1 << (64 - by)) - 1)


@torch.no_grad()
def recommend(
    backbone, representation, events, remove_seen: bool, k: int, device="cpu"
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the first k items of every event (E, k), 0 where there are fewer, their scores, and the pool's size.

    The pool is what a list of any of the events could hold.
    """
    order, score, questions, n_items = ask(backbone, representation, events, remove_seen, device)
    items, scores = list_events(score, questions, events.event[order], n_items, k)
    back = order.argsort()
    return items[back], scores[back], pool_size(events.candidates, events.targets.values, n_items)


@torch.inference_mode()
def list_events(
    score_fn, events: dict, numbers: torch.Tensor, n_items: int, k: int, chunk: int = CHUNK
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first k items of every event, best first, and their scores: (events, k) int64 and float32.

    score_fn, events: as `rank_events` takes them; numbers (events,) int64 tell events apart. Items of equal scores are
    in an order drawn for each event; one of minus infinity is in no list. Where an event has fewer candidates, 0 and
    -inf fill the end.
    """
    targets, offsets, numbers = tensor(events["targets"]), tensor(events["target_offsets"]), tensor(numbers)
    count, width = len(numbers), n_items + 1
    pool = pool_of(events, targets, offsets, n_items)
    bounds = torch.searchsorted(pool.keys, torch.arange(count + 1) * width)
    lists, values = torch.zeros((count, k), dtype=torch.int64), torch.full((count, k), -torch.inf)
    step = max(1, min(chunk, BLOCK // width))
    for start in range(0, count, step):
        stop = min(start + step, count)
        scores = score_fn(start, stop)
        check_scores(scores, stop - start, width, start, events.get("cause", DIVERGED))
        keys = pool.keys[int(bounds[start]) : int(bounds[stop])] - start * width
        rows, items, levels = _best(scores, _outside(pool, keys, scores), numbers[start:stop], k)
        place = torch.arange(len(rows)) - torch.searchsorted(rows, rows)
        inside = place < k
        at = start + rows[inside], place[inside]
        lists[at], values[at] = items[inside], levels[inside].float()
    return lists, values


def _outside(pool: Pool, keys: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return which items are no candidates, in the shape of scores; keys: row * width + item, as of the pool."""
    outside = torch.full_like(scores, pool.own, dtype=torch.bool)
    if pool.columns is not None:
        outside[:] = True
        outside[:, pool.columns.to(scores.device)] = False
    outside.view(-1)[keys.to(scores.device)] = not pool.own
    outside[:, 0] = True
    return outside


def _best(
    scores: torch.Tensor, outside: torch.Tensor, numbers: torch.Tensor, k: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return rows, items and scores of the k best of every row and of all that equal the last of them, best first."""
    least = scores.masked_fill(outside, -torch.inf).topk(min(k, scores.shape[1])).values[:, -1:]
    rows, items = ((scores >= least) & (scores > -torch.inf) & ~outside).nonzero(as_tuple=True)
    levels, rows, items = scores[rows, items].cpu(), rows.cpu(), items.cpu()
    order = draw(numbers[rows], items).argsort(stable=True)
    order = order[levels[order].argsort(descending=True, stable=True)]
    order = order[rows[order].argsort(stable=True)]
    return rows[order], items[order], levels[order]


def pool_size(candidates: torch.Tensor | None, targets: torch.Tensor, n_items: int) -> int:
    """Return how many items a list of any event of a ranking could hold, whatever has been seen."""
    if candidates is None:
        return n_items
    if candidates.dtype == torch.bool:
        return int(candidates[1:].sum())
    return len(torch.cat([candidates.reshape(-1), targets, torch.zeros(1, dtype=torch.int64)]).unique()) - 1
