"""Exact mid-ranks of targets among everything that an event ranks: by counting, in chunks, on any device.

A target's rank is 1 + (number of candidates with a higher score) + (number of other candidates with an
equal score) / 2, so that a constant scorer gains nothing and no order of the items can help a model.
"""

from typing import NamedTuple

import torch

from ptebench.files import InputError

DIVERGED = "the model diverged, lower its learning rate"  # why scores are no numbers, where nothing else is known
BLOCK = 2**24  # scores held at once; also the largest count that float32 sums exactly


def tensor(values) -> torch.Tensor:
    """Return whole numbers as int64."""
    return torch.as_tensor(values, dtype=torch.int64)


def _pairs(values: torch.Tensor, offsets: torch.Tensor, width: int) -> torch.Tensor:
    """Return the distinct (event, item) pairs of ragged rows, padding left out, as sorted keys event * width + item."""
    events = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())
    return torch.unique((events * width + values)[values > 0])


def _without(keys: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return keys[~torch.isin(keys, others)]


def _tally_pairs(scores, thresholds, rows, items, offsets) -> torch.Tensor:
    """Count, for each threshold, the listed items of its row that score higher, and half of those that equal it.

    Row r lists the columns items[offsets[r]:offsets[r + 1]]; threshold m belongs to row rows[m].
    """
    lengths = offsets.diff()[rows]
    owner = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), lengths)
    within = torch.arange(len(owner), device=rows.device) - (lengths.cumsum(0) - lengths)[owner]
    values = scores[rows[owner], items[offsets[rows[owner]] + within]]
    worth = ((values > thresholds[owner]).double() + (values >= thresholds[owner]).double()) / 2
    return torch.zeros(len(rows), dtype=torch.float64, device=rows.device).index_add_(0, owner, worth)


def _tally_all(scores, thresholds, rows, buffer) -> torch.Tensor:
    """Count, for each threshold, all columns of its row that score higher, and half of those that equal it."""
    counts = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    one_each = len(rows) == len(scores) and bool((rows.diff() == 1).all())
    for start in range(0, len(rows), len(buffer)):
        part = slice(start, start + len(buffer))
        block = scores[part] if one_each else scores[rows[part]]
        hits, level = buffer[: len(block)], thresholds[part, None]
        # comparisons land in a float buffer: summing it is several times faster than summing booleans
        counts[part] = torch.gt(block, level, out=hits).sum(1).double()
        counts[part] += torch.ge(block, level, out=hits).sum(1).double()
    return counts / 2


def check_scores(scores: torch.Tensor, events: int, width: int, first: int, cause: str = DIVERGED) -> None:
    """Raise InputError for a score that is not a number, with its cause; `first` is the number of the first event."""
    if scores.shape != (events, width):
        raise ValueError(f"scores have the shape {tuple(scores.shape)}, expected ({events}, {width})")
    # a sum is one cheap pass and not a number where any term is; only then look closer (inf - inf)
    real = scores[:, 1:]
    if real.sum(1).isnan().any() and (bad := real.isnan()).any():
        row, item = (int(i) for i in bad.nonzero()[0])
        raise InputError(f"event {first + row}: the score of item {item + 1} is not a number; {cause}")


class Pool(NamedTuple):
    """The candidates of events.

    `keys` are sorted, event * (n_items + 1) + item. Where each event has its `own` list they are its candidates; else
    all events rank the items `columns` (None: every item), and `keys` are those of them that an event leaves out.
    """

    keys: torch.Tensor
    sizes: torch.Tensor  # (events,) candidates
    columns: torch.Tensor | None
    own: bool


def pool_of(events: dict, targets: torch.Tensor, target_offsets: torch.Tensor, n_items: int) -> Pool:
    """Return the candidates of events as `rank_events` takes them."""
    width, count = n_items + 1, len(target_offsets) - 1
    target_keys = _pairs(targets, target_offsets, width)
    seen_keys = target_keys[:0]
    if events["remove_seen"]:
        seen_keys = _without(_pairs(tensor(events["history"]), tensor(events["history_offsets"]), width), target_keys)
    candidates = events.get("candidates")
    if candidates is not None and torch.as_tensor(candidates).dtype != torch.bool:
        keys = tensor(candidates)
        ends = torch.arange(count + 1) * keys.shape[1]
        keys = torch.unique(torch.cat([_without(_pairs(keys.reshape(-1), ends, width), seen_keys), target_keys]))
        return Pool(keys, torch.bincount(keys // width, minlength=count), None, True)
    columns, size = None, n_items
    if candidates is not None:
        is_candidate = torch.as_tensor(candidates).cpu().clone()
        is_candidate[0] = False
        _check_targets(is_candidate, targets, target_offsets)
        columns = is_candidate.nonzero()[:, 0]
        seen_keys, size = seen_keys[is_candidate[seen_keys % width]], len(columns)
    return Pool(seen_keys, size - torch.bincount(seen_keys // width, minlength=count), columns, False)


def _check_targets(is_candidate: torch.Tensor, targets: torch.Tensor, target_offsets: torch.Tensor) -> None:
    """Raise InputError for a target that is not among the candidates (n_items + 1,) that all events share."""
    if (outside := ~is_candidate[targets]).any():
        place = int(outside.nonzero()[0])
        event = int(torch.searchsorted(target_offsets, place, right=True)) - 1
        raise InputError(
            f"event {event}: target {int(targets[place])} is not among the candidates of its ranking;"
            " make the split again"
        )


def candidates_of(events, remove_seen: bool, n_items: int, rows: torch.Tensor, items: torch.Tensor):
    """Return which of `items` (R,) are candidates of the events in `rows` (R,), and the candidates of each event (E,).

    `events` has targets and histories, ragged, and candidates as `rank_events` takes them.
    """
    questions = {
        "history": events.histories.values, "history_offsets": events.histories.offsets,
        "remove_seen": remove_seen, "candidates": events.candidates,
    }  # fmt: skip
    pool = pool_of(questions, events.targets.values, events.targets.offsets, n_items)
    among_keys = torch.isin(rows * (n_items + 1) + items, pool.keys)
    if pool.own:
        return among_keys, pool.sizes
    among = torch.ones(n_items + 1, dtype=torch.bool)
    if pool.columns is not None:
        among = torch.zeros(n_items + 1, dtype=torch.bool)
        among[pool.columns] = True
    return among[items] & ~among_keys, pool.sizes


@torch.inference_mode()
def rank_events(score_fn, events: dict, n_items: int, chunk: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Rank every target of every event exactly, ties at the middle.

    score_fn(start, stop) returns the scores (stop - start, n_items + 1) of those events; column 0 stands for
    padding and is never ranked. `events` holds, ragged as (values, offsets) of int64:
      targets, target_offsets    item ids to be ranked, any number an event; they rank among each other too
      history, history_offsets   item ids seen; used where `remove_seen` is true, 0 is padding
      remove_seen                bool: seen items are not candidates (a target always is)
      candidates                 None: all items; bool (n_items + 1,): these items, the targets among them;
                                 int64 (events, C): these items of each event (0 is padding) and its targets
      cause                      why a score may be no number, and the mend; without, that the model diverged
    Returns the ranks (targets,) float64 in the order of `targets`, and the number of candidates (events,) int64.
    Raises InputError for a score that is not a number and for a target outside a common candidate set.
    """
    width = n_items + 1
    targets, target_offsets = tensor(events["targets"]), tensor(events["target_offsets"])
    count = len(target_offsets) - 1
    pool = pool_of(events, targets, target_offsets, n_items)
    step = max(1, min(chunk, BLOCK // width))
    ranks, buffer = torch.empty(len(targets), dtype=torch.float64), None
    bounds = torch.searchsorted(pool.keys, torch.arange(count + 1) * width)
    for start in range(0, count, step):
        stop = min(start + step, count)
        scores = score_fn(start, stop)
        check_scores(scores, stop - start, width, start, events.get("cause", DIVERGED))
        device = scores.device
        first, last = int(target_offsets[start]), int(target_offsets[stop])
        rows = torch.repeat_interleave(torch.arange(stop - start), target_offsets[start : stop + 1].diff()).to(device)
        thresholds = scores[rows, targets[first:last].to(device)]
        low, high = int(bounds[start]), int(bounds[stop])
        pairs = (pool.keys[low:high] % width).to(device), (bounds[start : stop + 1] - low).to(device)
        tally = _tally_pairs(scores, thresholds, rows, *pairs)
        if not pool.own:
            candidate_scores = scores[:, 1:] if pool.columns is None else scores[:, pool.columns.to(device)]
            if buffer is None:
                exact = torch.float32 if candidate_scores.shape[1] <= BLOCK else torch.float64
                buffer = torch.empty((step, candidate_scores.shape[1]), dtype=exact, device=device)
            tally = _tally_all(candidate_scores, thresholds, rows, buffer) - tally
        # the target itself was counted as an equal
        ranks[first:last] = (tally + 0.5).cpu()
    return ranks, pool.sizes
