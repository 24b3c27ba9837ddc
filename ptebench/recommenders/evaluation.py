"""Evaluation of a model: the rank of every target of its events, and the validation value."""

from collections.abc import Callable

import torch

from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.sampling import Ragged

CHUNK = 256  # events scored at once
Scores = Callable[[int, int], torch.Tensor]


class Frozen:
    """A representation whose item vectors are computed once, for ranking."""

    def __init__(self, representation):
        self.representation, self.vectors = representation, representation.item_vectors()

    def __getattr__(self, name: str):
        return getattr(self.representation, name)

    def item_vectors(self) -> torch.Tensor:
        """Return (n_items + 1, d)."""
        return self.vectors


@torch.no_grad()
def rank(backbone, representation, events, remove_seen: bool, device="cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mid-rank of every target (T,) and the number of candidates of every event (E,)."""
    order, score, questions, n_items = ask(backbone, representation, events, remove_seen, device)
    ranks, sizes = rank_events(score, questions, n_items, CHUNK)
    back = order.argsort()
    return Ragged(ranks, questions["target_offsets"]).take(back).values, sizes[back]


def ask(backbone, representation, events, remove_seen: bool, device) -> tuple[torch.Tensor, Scores, dict, int]:
    """Return an order of the events, their scores and what `rank_events` takes of them in it, and n_items."""
    # in order of history length: little padding, and no event depends on its neighbours
    order = events.histories.lengths.sort(stable=True).indices
    score, n_items = _scorer(backbone, representation, events, order, device)
    targets, history, candidates = events.targets.take(order), events.histories.take(order), events.candidates
    if candidates is not None and candidates.dtype != torch.bool:
        candidates = candidates[order]
    questions = {
        "targets": targets.values, "target_offsets": targets.offsets,
        "history": history.values, "history_offsets": history.offsets,
        "candidates": candidates, "remove_seen": remove_seen,
    }  # fmt: skip
    if representation is None:
        file = f"{type(backbone).__module__.replace('.', '/')}.py"
        questions["cause"] = f"nothing of it is trained: mend `scores` of {file}, where 0 / 0 may stand"
    if hasattr(backbone, "attend"):
        backbone.attend(events, remove_seen)
    return order, score, questions, n_items


def _scorer(backbone, representation, events, order: torch.Tensor, device) -> tuple[Scores, int]:
    """Return a function from a range of the events in `order` to scores (events, n_items + 1); and n_items."""
    histories, users = events.histories.to(device), events.users.to(device)

    def part(start: int, stop: int) -> tuple[Ragged, torch.Tensor]:
        rows = order[start:stop].to(device)
        return histories.take(rows), users[rows]

    if hasattr(backbone, "scores_of"):  # of events, whatever their histories
        return lambda start, stop: backbone.scores_of(events.event[order[start:stop]]), backbone.items
    if representation is None:
        return lambda start, stop: backbone.scores(*part(start, stop)), backbone.items
    backbone.eval()
    representation.eval()
    if hasattr(backbone, "prepare"):
        backbone.prepare(representation)
    frozen, unrankable = Frozen(representation), ~representation.rankable
    some = bool(unrankable[1:].any())

    def score(start: int, stop: int) -> torch.Tensor:
        scores = backbone.scores(backbone.queries(*part(start, stop), frozen), frozen)
        if some:  # behind everything that has a vector, tied among themselves
            scores[:, unrankable] = scores.min() - 1
        return scores

    return score, len(frozen.vectors) - 1


def validation_value(ranks: torch.Tensor, targets: Ragged, metric: str) -> float:
    """Return the mean over events of one metric, such as NDCG@10."""
    name, _, cut = metric.partition("@")
    k = int(cut)
    inside = (ranks <= k).double()
    event = torch.repeat_interleave(torch.arange(len(targets)), targets.lengths.cpu())
    gain = {"Recall": inside, "NDCG": inside / torch.log2(ranks + 1), "MRR": inside / ranks}[name]
    per_event = torch.zeros(len(targets), dtype=torch.float64)
    if name == "MRR":
        per_event.scatter_reduce_(0, event, gain, "amax")
    else:
        per_event.index_add_(0, event, gain)
        length = targets.lengths.cpu()
        ideal = (1 / torch.log2(torch.arange(2, k + 2).double())).cumsum(0)[length.clamp_max(k) - 1]
        per_event /= length.double() if name == "Recall" else ideal
    return float(per_event.mean())


@torch.no_grad()
def one_pass(backbone, representation, events, remove_seen: bool, device) -> dict:
    """Return the validation value of a single denoising pass from zeros, and its rank correlation with samples.

    `spearman` is the mean over events of the rank correlation of both scores of the items that training knows.
    """
    selection, samples, total = backbone.settings["selection"], backbone.samples, 0.0
    try:
        backbone.samples = 0
        ranks, _ = rank(backbone, representation, events, remove_seen, device)
        for start in range(0, len(events.users), CHUNK):
            rows = torch.arange(start, min(start + CHUNK, len(events.users)))
            part, users = events.histories.take(rows).to(device), events.users[rows].to(device)
            places = []
            for backbone.samples in (0, samples):
                scores = backbone.scores(backbone.queries(part, users, representation), representation)
                places.append(scores[:, backbone.train_items].argsort(1).argsort(1).double())
            n = len(backbone.train_items)
            apart = (places[0] - places[1]).square().sum(1)
            total += float((1 - 6 * apart / max(n**3 - n, 1)).sum())
    finally:
        backbone.samples = samples
    value = validation_value(ranks, events.targets, selection)
    return {selection: value, "spearman": total / max(len(events.users), 1)}
