"""The course of a training and its checkpoint, from which a killed run goes on exactly."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from ptebench.checkpoints import Clock, optimizer_tensors, read_checkpoint, restore_optimizer, write_checkpoint


@dataclass
class Course:
    """The curve of a training so far, and what early stopping needs of it."""

    epoch: int = 0  # the next one
    curve: list[dict] = field(default_factory=list)  # of each epoch: epoch, loss, value (None: not judged), seconds
    best_value: float = float("-inf")
    best_epoch: float = float("-inf")  # the highest value of an epoch; the start may have a higher one
    stale: int = 0  # validations since that one

    def is_best(self, value: float) -> bool:
        """Record a validation value; return whether it is the highest so far.

        Epoch 0 is the start, from which learning may fall before it rises above it: no epoch is stale for it.
        """
        if self.epoch:
            self.best_epoch, self.stale = (value, 0) if value > self.best_epoch else (self.best_epoch, self.stale + 1)
        best = value > self.best_value
        self.best_value = max(value, self.best_value)
        return best


class Checkpoint:
    """The state of a run at an epoch's end; used again only by a job with the same fingerprint."""

    def __init__(self, path: Path, fingerprint: str):
        self.path, self.fingerprint, self.clock = path, fingerprint, Clock()

    def save(self, course: Course, best: dict, models, optimizer) -> None:
        """Write everything that the next epoch depends on, by the clock."""
        if not self.clock.is_due():
            return
        tensors = {f"now.{k}": v for k, v in models.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in best.items()}
        write_checkpoint(tensors | optimizer_tensors(optimizer), self.path, self.fingerprint, asdict(course))
        self.clock.restart()

    def load(self, models, optimizer) -> tuple[Course, dict[str, torch.Tensor]] | None:
        """Restore the models and the optimizer; return the course and the best state, None without a checkpoint."""
        if (content := read_checkpoint(self.path, self.fingerprint)) is None:
            return None
        tensors, course = content
        groups: dict[str, dict[str, torch.Tensor]] = {"now": {}, "best": {}, "optimizer": {}}
        for name, value in tensors.items():
            group, key = name.split(".", 1)
            groups[group][key] = value
        models.load_state_dict(groups["now"])
        restore_optimizer(optimizer, tensors)
        return Course(**course), groups["best"]
