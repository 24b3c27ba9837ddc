"""Training of small models until they are no better on what chooses."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch


def descend(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: Callable[[], Iterable[torch.Tensor]],
    judge: Callable[[], float],
    epochs: int,
    patience: int,
) -> None:
    """Take a step for each of an epoch's `losses()`; leave the model where `judge()` was least, the start included.

    Losses are made one by one, each after the step of the one before. Ends after `patience` epochs without a better
    judgement, made without gradients.
    """

    def value() -> float:
        with torch.no_grad():
            return float(judge())

    best, state, waited = value(), deepcopy(model.state_dict()), 0
    for _ in range(epochs):
        for loss in losses():
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now = value()
        waited += 1
        if now < best:
            best, state, waited = now, deepcopy(model.state_dict()), 0
        if waited == patience:
            break
    model.load_state_dict(state)
