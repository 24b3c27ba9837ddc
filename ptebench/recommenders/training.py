"""The training loop of every cell: epochs with early stopping, and checkpoints to resume from."""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ptebench.files import InputError
from ptebench.hardware import gemm_precision
from ptebench.progress import Progress
from ptebench.recommenders.course import Checkpoint, Course
from ptebench.recommenders.evaluation import one_pass, rank, validation_value
from ptebench.recommenders.model import build, device_of
from ptebench.recommenders.optimizer import AdamW
from ptebench.recommenders.sampling import seed_of


class Diverged(InputError):
    """The loss is not finite: the settings are at fault, and a tuning study goes on with the next trial."""


def quicken(representation, device: torch.device, width: int) -> None:
    """Compute item vectors of a width in training in the fast precision of the machine: over text they are large."""
    exact, kind = representation.item_vectors, gemm_precision(device.type, width)

    def item_vectors(items=None):
        with torch.autocast(device.type, kind, enabled=representation.training and kind != torch.float32):
            return exact(items).float()

    representation.item_vectors = item_vectors


RISING = 0.05  # of the epochs: a training whose best one is as near to its end was still rising


def train(
    spec: dict, train_set, valid, catalogue, remove_seen, checkpoint: Path | None = None, fingerprint="", until=None
) -> tuple[dict[str, torch.Tensor], list[dict], dict]:
    """Train one cell for all its `epochs`, or up to the epoch `until`.

    Returns the best state (name -> tensor), the curve (a list of dicts: epoch, loss, value, seconds)
    and notes for the provenance record. Raises Diverged when the loss is not finite.
    """
    backbone, representation = build(spec, catalogue)
    if representation is None:
        backbone.fit(train_set)
        return {f"backbone.{k}": v for k, v in backbone.state_dict().items()}, [], {"parameters": 0}
    settings, device = spec["backbone"], device_of(spec["backbone"])
    models = torch.nn.ModuleDict({"backbone": backbone, "representation": representation}).to(device)
    train_set = train_set.to(device)
    for part in (backbone, representation):
        if hasattr(part, "observe"):
            part.observe(train_set)
    quicken(representation, device, settings["dimension"])
    parameters = [p for p in models.parameters() if p.requires_grad]
    optimizer = make_optimizer(models, spec)
    objective = torch.compile(backbone.loss, dynamic=True) if settings["compile"] else backbone.loss
    store = Checkpoint(checkpoint, fingerprint) if checkpoint else None
    course, best = (store and store.load(models, optimizer)) or (Course(), {})
    last = until or settings["epochs"]
    progress = Progress("training", "epochs", last, start=course.epoch)

    def judge() -> float:
        ranks, _ = rank(backbone, representation, valid, remove_seen, device)
        value = validation_value(ranks, valid.targets, settings["selection"])
        if course.is_best(value):
            best.update({k: v.detach().cpu().clone() for k, v in models.state_dict().items()})
        return value

    if getattr(backbone, "judges_start", False) and not course.epoch:
        course.curve.append({"epoch": 0, "loss": None, "value": judge(), "seconds": 0.0})
    while course.epoch < last and course.stale < settings["patience"]:
        started = time.perf_counter()
        loss = _epoch(spec, course.epoch, models, objective, optimizer, train_set)
        course.epoch += 1
        value = None
        if course.epoch % settings["validate_every"] == 0 or course.epoch == settings["epochs"]:
            value = judge()
        seconds = round(time.perf_counter() - started, 3)
        course.curve.append({"epoch": course.epoch, "loss": round(loss, 6), "value": value, "seconds": seconds})
        _progress(course.epoch, last, settings["selection"], loss, value, course.best_value, progress)
        if store:
            store.save(course, best, models, optimizer)
    if not best:
        raise InputError(f"validation has no {settings['selection']}: check the split's valid.parquet for events")
    notes = {"parameters": sum(p.numel() for p in parameters), "device": str(device)}
    if settings["schedule"] == "constant":  # a rate that falls to 0 ends in its best epoch by itself
        since_best = course.stale * settings["validate_every"]
        notes["still_rising"] = course.epoch == settings["epochs"] and since_best <= RISING * course.epoch
    if getattr(backbone, "samples", 0):
        models.load_state_dict(best)
        notes["one_pass"] = one_pass(backbone, representation, valid, remove_seen, device)
    return best, course.curve, notes


def make_optimizer(models: torch.nn.ModuleDict, spec: dict) -> AdamW:
    """Return AdamW with decay for matrices alone: a shrunk item bias would unlearn popularity.

    What reads text, the representation and a backbone's own adapter of profiles, learns at `rate` times the backbone's
    learning rate.
    """
    settings, groups, named = spec["backbone"], [], dict(models.named_parameters())
    of_text = {name for name in named if name.startswith(("representation.", "backbone.profile.tower."))}
    for names, rate in ((named.keys() - of_text, 1.0), (of_text, spec["representation"].get("rate", 1.0))):
        parameters = [p for name, p in named.items() if name in names and p.requires_grad]
        for decay, of_dim in ((settings["weight_decay"], lambda d: d > 1), (0.0, lambda d: d < 2)):
            of_group = [p for p in parameters if of_dim(p.dim())]
            groups.append(
                {"params": of_group, "weight_decay": decay, "rate": rate, "lr": rate * settings["learning_rate"]}
            )
    return AdamW(groups, lr=settings["learning_rate"], betas=(0.9, settings["beta2"]), fused=True)


def _epoch(spec: dict, epoch: int, models, objective: Callable, optimizer, train_set) -> float:
    """Train for an epoch, the first is 0; return the mean loss of its batches, or raise Diverged."""
    settings, seed, device = spec["backbone"], spec["seed"], train_set.users.device
    if settings["schedule"] == "linear":
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * settings["learning_rate"] * (1 - epoch / settings["epochs"])
    torch.manual_seed(seed_of(seed, "dropout", epoch))
    orders = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
    negatives = torch.Generator(device).manual_seed(seed_of(seed, "negatives", epoch))
    models.train()
    total, steps = torch.zeros((), device=device), 0
    for batch in models["backbone"].batches(train_set, orders):
        loss = objective(batch, models["representation"], negatives)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        steps += 1
    mean = float(total) / max(steps, 1)
    if not steps or not math.isfinite(mean):
        raise Diverged(
            f"epoch {epoch + 1}: the loss is {mean if steps else 'undefined: no training batch'}; "
            f"lower backbones.*.learning_rate (now {settings['learning_rate']}) or check the training data"
        )
    return mean


def _progress(epoch, last, selection, loss, value, best, progress) -> None:
    left = progress.seconds_left(epoch)
    of_value = "" if value is None else f"  {selection} {value:.4f} (best {best:.4f})"
    print(f"epoch {epoch}/{last}  loss {loss:.4f}{of_value}  at most {left:.0f} s left", file=sys.stderr)
