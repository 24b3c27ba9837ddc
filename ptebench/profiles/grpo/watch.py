"""Owners that GRPO does not train on: their texts say whether it makes profiles better or worse, and end it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import TrainerCallback

from ptebench.profiles.grpo.rewards import Judge

OWNERS = 32  # who are watched at most, and at most a third of those that are left
FEWEST = 8  # of whom anything is said
ERRORS = 3.0  # standard errors of a paired difference from which a fall is no chance
FALL = 0.85  # of the effective rank before, below which texts are called narrow
STATE = "watch.pt"  # of a checkpoint


def fall(before: np.ndarray, after: np.ndarray) -> bool:
    """Say whether values (n,) fell by more than ERRORS standard errors of their paired differences, NaN left out."""
    differences = (after - before)[np.isfinite(before) & np.isfinite(after)]
    if len(differences) < FEWEST:
        return False
    return differences.mean() < -ERRORS * differences.std(ddof=1) / len(differences) ** 0.5


def fault(task: str, before: dict, after: dict) -> str | None:
    """Say why training must stop, None where it need not; before and after: values of owners by component (n,)."""
    if fall(before["schema"], after["schema"]):
        shares = ((values["schema"] == 0).mean() for values in (before, after))
        return "fewer texts are profiles: {:.0%} before, {:.0%} now".format(*shares)
    if fall(before[task], after[task]):
        means = (np.nanmean(values[task]) for values in (before, after))
        return f"the {task} of others falls: {{:.3f}} before, {{:.3f}} now".format(*means)
    return None


class Watch(TrainerCallback):
    """Judges the greedy texts of the owners watched before training and after every so many steps.

    Where they are worse than before training, training stops, and the adapter becomes what it was when they last were
    not. Texts that have become narrow are told, no more: where few things are worth saying, few should be said.
    """

    def __init__(self, judge: Judge, rows: np.ndarray, model, every: int, answer: Callable):
        """rows: tasks of the judge. answer(rows) -> texts and their numbers of tokens."""
        self.judge, self.rows, self.model, self.every, self.answer = judge, rows, model, every, answer
        self.able = len(rows) >= FEWEST
        self.reason: str | None = None
        self.before: dict[str, Any] = {}
        self.looks: list[dict] = []
        self.good: list[torch.Tensor] = []
        if not self.able:
            print(f"{len(rows)} owners are left to watch, expected at least {FEWEST}: nothing stops training early")

    def weights(self) -> list[torch.Tensor]:
        """Return the weights in training."""
        return [weights for weights in self.model.parameters() if weights.requires_grad]

    def look(self, step: int) -> None:
        """Judge the texts as they are now."""
        training = self.model.training
        texts, tokens = self.answer(self.rows)
        self.model.train(training)
        values, together = self.judge(texts, self.rows, tokens, self.before.get("usual"))
        if not self.before:
            self.before = values | {"usual": together["likeness"], "effective_rank": together["effective_rank"]}
        self.reason = fault(self.judge.task, self.before, values)
        means = {c: float(np.nanmean(v)) for c, v in values.items() if np.isfinite(v).any()}
        valid = float((values["schema"] == 0).mean())
        self.looks.append({"step": step, "valid": valid, **means, "effective_rank": float(together["effective_rank"])})
        figures = ", ".join(f"{name} {value:.3f}" for name, value in self.looks[-1].items() if name != "step")
        print(f"step {step}: {len(self.rows)} owners that are not trained on: {figures}")
        if together["effective_rank"] < FALL * self.before["effective_rank"]:
            print(f"step {step}: the effective rank of their texts is below {FALL} of what it was")
        if self.reason:
            with torch.no_grad():
                for weights, good in zip(self.weights(), self.good):
                    weights.copy_(good)
        else:
            self.good = [weights.detach().clone() for weights in self.weights()]

    def on_train_begin(self, args, state, control, **_):
        """Look before the first step, or go on from the checkpoint."""
        file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE
        if file.is_file():
            record = torch.load(file, map_location="cpu", weights_only=True)
            self.before = {name: v.numpy() if v.ndim else v.item() for name, v in record["before"].items()}
            self.looks, self.good = record["looks"], record["good"]
        elif self.able:
            self.look(0)

    def on_log(self, args, state, control, logs=None, **_):
        """Look after every so many steps, and stop where texts have become worse."""
        step = state.global_step
        if not self.able or "reward" not in (logs or {}) or (step % self.every and step < state.max_steps):
            return
        self.look(step)
        if self.reason:
            control.should_training_stop = True
            control.should_save = False  # resumed from here, it would take another step

    def on_save(self, args, state, control, **_):
        """Put what is known of the owners into the checkpoint."""
        if self.able:
            before = {name: torch.as_tensor(np.asarray(value)) for name, value in self.before.items()}
            record = {"before": before, "looks": self.looks, "good": self.good}
            torch.save(record, Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE)
