"""What all cells share: building a model, training with early stopping, checkpoints that resume exactly."""

import importlib
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from ptebench.checkpoints import Clock
from ptebench.files import InputError, read_tensors, write_tensors
from ptebench.hardware import gemm_precision
from ptebench.progress import Progress
from ptebench.recommenders.optimizer import AdamW
from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.representation import Unread
from ptebench.recommenders.sampling import Ragged, seed_of

RANK_CHUNK = 256


class Diverged(InputError):
    """The loss is no number any more: a fault of the settings, which a tuning study survives."""


def build(spec: dict, catalogue):
    """Return the backbone and the representation (None for a counter) of a cell, initialised by its seed."""
    torch.manual_seed(seed_of(spec["seed"], "initialisation"))
    backbone, representation = spec["backbone"], spec["representation"]
    module = importlib.import_module(f"ptebench.recommenders.backbones.{backbone['kind']}")
    if hasattr(module, "Counter"):
        return module.Counter(backbone, catalogue), None
    if getattr(module.Backbone, "reads_vectors", True):
        made = importlib.import_module(f"ptebench.recommenders.representations.{representation['kind']}")
        representation = made.Representation(representation, catalogue)
    else:
        representation = Unread(catalogue)
    free = not representation.has_users or (backbone.get("free_users", False) and not representation.free_users)
    return module.Backbone(backbone, replace(catalogue, free_users=free)), representation


def restore(spec: dict, catalogue, train_set, state: dict):
    """Return backbone, representation and device of a trained cell from its saved state."""
    backbone, representation = build(spec, catalogue)
    if representation is None:
        backbone.load_state_dict({name.removeprefix("backbone."): value for name, value in state.items()})
        return backbone, None, torch.device("cpu")
    models = torch.nn.ModuleDict({"backbone": backbone, "representation": representation})
    models.load_state_dict(state)
    device = device_of(spec["backbone"])
    models.to(device)
    if hasattr(backbone, "observe"):
        backbone.observe(train_set.to(device))
    return backbone, representation, device


def device_of(settings: dict) -> torch.device:
    """Return the device that `device` asks for; raise InputError for a GPU that is not there.

    On a GPU torch is told to give the same bytes every time, which some of its operators do only when asked.
    """
    wanted = settings.get("device", "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InputError("device: 'cuda' is set but torch sees no GPU; set 'auto' or 'cpu'")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without which matrix products are refused
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    return torch.device("cuda")


def quicken(representation, device: torch.device) -> None:
    """Make the item vectors of every training step in the machine's precision: over text, large products."""
    exact, kind = representation.item_vectors, gemm_precision(device.type)

    def item_vectors(items=None):
        with torch.autocast(device.type, kind, enabled=representation.training and kind != torch.float32):
            return exact(items).float()

    representation.item_vectors = item_vectors


@torch.no_grad()
def rank(backbone, representation, events, remove_seen: bool, device="cpu"):
    """Return the mid-rank of every target (T,) and the number of candidates of every event (E,)."""
    histories, users = events.histories.to(device), events.users.to(device)
    rankable = None if representation is None else representation.rankable
    if rankable is not None and bool(rankable[1:].all()):
        rankable = None
    # events in order of history length: little padding, and no event depends on its neighbours
    order = events.histories.lengths.sort(stable=True).indices

    def score(start, stop):
        rows = order[start:stop].to(device)
        part = Ragged(*_rows(histories, rows))
        if representation is None:
            return backbone.scores(part, users[rows])
        scores = backbone.scores(backbone.queries(part, users[rows], representation), representation)
        if rankable is not None:  # behind everything that has a vector, tied among themselves
            scores[:, ~rankable] = scores.min() - 1
        return scores

    if representation is not None:
        backbone.eval()
        representation.eval()
        if hasattr(backbone, "prepare"):
            backbone.prepare(representation)
        vectors = representation.item_vectors()
        frozen, representation.item_vectors = representation.item_vectors, lambda: vectors
    values, offsets = _rows(events.targets, order)
    seen, seen_offsets = _rows(events.histories, order)
    candidates = events.candidates
    if candidates is not None and candidates.dtype != torch.bool:
        candidates = candidates[order]
    try:
        ranks, sizes = rank_events(
            score,
            {
                "targets": values, "target_offsets": offsets, "history": seen, "history_offsets": seen_offsets,
                "candidates": candidates,
                "remove_seen": remove_seen,
            },
            len(vectors) - 1 if representation is not None else backbone.items,
            RANK_CHUNK,
        )  # fmt: skip
    finally:
        if representation is not None:
            representation.item_vectors = frozen
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    return _rows(Ragged(ranks, offsets), back)[0], sizes[back]


def _rows(lists: Ragged, rows: torch.Tensor):
    """Return values and offsets of the chosen rows, in their order."""
    lengths = lists.lengths[rows]
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    start = lists.offsets[rows].repeat_interleave(lengths)
    within = torch.arange(int(offsets[-1]), device=rows.device) - offsets[:-1].repeat_interleave(lengths)
    return lists.values[start + within], offsets


def validation_value(ranks: torch.Tensor, targets: Ragged, metric: str) -> float:
    """Return the mean over events of one metric, such as NDCG@10."""
    name, k = metric.split("@")
    k = int(k)
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


class Checkpoint:
    """The state of a run at an epoch's end; used again only by a job with the same fingerprint."""

    def __init__(self, path: Path, fingerprint: str):
        self.path, self.fingerprint, self.clock = path, fingerprint, Clock()

    def save(self, epoch: int, models, optimizer, best: dict, curve: list, stale: int) -> None:
        """Write everything that the next epoch depends on, by the clock."""
        if not self.clock.is_due():
            return
        tensors = {f"now.{k}": v for k, v in models.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in best.items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in state.items()}
        state = {"fingerprint": self.fingerprint, "epoch": epoch, "curve": curve, "stale": stale}
        write_tensors(tensors, self.path, {"state": json.dumps(state)})
        self.clock.restart()

    def load(self, models, optimizer):
        """Restore the models and the optimizer; return (next epoch, best, curve, stale) or None."""
        if not self.path.is_file():
            return None
        tensors, metadata = read_tensors(self.path)
        state = json.loads(metadata["state"])
        if state["fingerprint"] != self.fingerprint:
            return None
        groups = {"now": {}, "best": {}, "optimizer": {}}
        for name, value in tensors.items():
            group, key = name.split(".", 1)
            groups[group][key] = value
        models.load_state_dict(groups["now"])
        saved = optimizer.state_dict()
        for name, value in groups["optimizer"].items():
            index, key = name.split(".", 1)
            saved["state"].setdefault(int(index), {})[key] = value
        optimizer.load_state_dict(saved)
        return state["epoch"] + 1, groups["best"], state["curve"], state["stale"]


def train(
    spec: dict, train_set, valid, catalogue, remove_seen, checkpoint: Path | None = None, fingerprint="", until=None
):
    """Train one cell for its `epochs`, or `until` one of them.

    Returns the best state (name -> tensor), the curve (a list of dicts: epoch, loss, value, seconds)
    and notes for the provenance record. Raises Diverged when the loss is not finite.
    """
    settings, seed = spec["backbone"], spec["seed"]
    device = device_of(settings)
    backbone, representation = build(spec, catalogue)
    if representation is None:
        backbone.fit(train_set)
        return {f"backbone.{k}": v for k, v in backbone.state_dict().items()}, [], {"parameters": 0}
    models = torch.nn.ModuleDict({"backbone": backbone, "representation": representation}).to(device)
    train_set = train_set.to(device)
    for part in (backbone, representation):
        if hasattr(part, "observe"):
            part.observe(train_set)
    quicken(representation, device)
    parameters = [p for p in models.parameters() if p.requires_grad]
    # decay is for matrices: a shrunk item bias would unlearn popularity
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings["weight_decay"]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, lr=settings["learning_rate"], betas=(0.9, settings["beta2"]), fused=True)
    objective = torch.compile(backbone.loss, dynamic=True) if settings["compile"] else backbone.loss
    store = Checkpoint(checkpoint, fingerprint) if checkpoint else None
    resumed = store.load(models, optimizer) if store else None
    first, best, curve, stale = resumed or (0, {}, [], 0)
    last = until or settings["epochs"]
    best_value = max((c["value"] for c in curve if c["value"] is not None), default=float("-inf"))
    progress = Progress("training", "epochs", last, start=first)
    for epoch in range(first, last):
        if stale >= settings["patience"]:
            break
        clock = time.perf_counter()
        if settings["schedule"] == "linear":
            for group in optimizer.param_groups:
                group["lr"] = settings["learning_rate"] * (1 - epoch / settings["epochs"])
        torch.manual_seed(seed_of(seed, "dropout", epoch))
        orders = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
        negatives = torch.Generator(device).manual_seed(seed_of(seed, "negatives", epoch))
        models.train()
        total, steps = torch.zeros((), device=device), 0
        for batch in backbone.batches(train_set, orders):
            loss = objective(batch, representation, negatives)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
            steps += 1
        mean = float(total) / max(steps, 1)
        if not steps or mean != mean or abs(mean) == float("inf"):
            raise Diverged(
                f"epoch {epoch + 1}: the loss is {mean if steps else 'undefined: no training batch'}; "
                f"lower backbones.*.learning_rate (now {settings['learning_rate']}) or check the training data"
            )
        value = None
        if (epoch + 1) % settings["validate_every"] == 0 or epoch + 1 == settings["epochs"]:
            ranks, _ = rank(backbone, representation, valid, remove_seen, device)
            value = validation_value(ranks, valid.targets, settings["selection"])
            if value > best_value:
                best_value, stale = value, 0
                best = {k: v.detach().cpu().clone() for k, v in models.state_dict().items()}
            else:
                stale += 1
        seconds = time.perf_counter() - clock
        curve.append({"epoch": epoch + 1, "loss": round(mean, 6), "value": value, "seconds": round(seconds, 3)})
        _progress(epoch + 1, last, settings["selection"], mean, value, best_value, progress)
        if store:
            store.save(epoch, models, optimizer, best, curve, stale)
    if not best:
        raise InputError(f"validation has no {settings['selection']}: check the split's valid.parquet for events")
    notes = {"parameters": sum(p.numel() for p in parameters), "device": str(device)}
    if getattr(backbone, "samples", 0):
        models.load_state_dict(best)
        notes["one_pass"] = one_pass(backbone, representation, valid, remove_seen, device)
    return best, curve, notes


@torch.no_grad()
def one_pass(backbone, representation, events, remove_seen: bool, device) -> dict:
    """Return the validation value of one pass from zeros, and how far samples agree with it.

    `spearman` is the mean over events of the rank correlation of both scores of the items that training knows.
    """
    selection, samples, total = backbone.settings["selection"], backbone.samples, 0.0
    try:
        backbone.samples = 0
        ranks, _ = rank(backbone, representation, events, remove_seen, device)
        for start in range(0, len(events.users), RANK_CHUNK):
            rows = torch.arange(start, min(start + RANK_CHUNK, len(events.users)))
            part, users = Ragged(*_rows(events.histories, rows)).to(device), events.users[rows].to(device)
            places = []
            for backbone.samples in (0, samples):
                scores = backbone.scores(backbone.queries(part, users, representation), representation)
                places.append(scores[:, backbone.known].argsort(1).argsort(1).double())
            n = len(backbone.known)
            apart = (places[0] - places[1]).square().sum(1)
            total += float((1 - 6 * apart / max(n**3 - n, 1)).sum())
    finally:
        backbone.samples = samples
    value = validation_value(ranks, events.targets, selection)
    return {selection: value, "spearman": total / max(len(events.users), 1)}


def _progress(epoch, last, selection, loss, value, best, progress) -> None:
    left = progress.seconds_left(epoch)
    shown = "" if value is None else f"  {selection} {value:.4f} (best {best:.4f})"
    print(f"epoch {epoch}/{last}  loss {loss:.4f}{shown}  at most {left:.0f} s left", file=sys.stderr)
