"""How much of some vectors others tell: linear and non-linear reconstruction, retrieval."""

import numpy as np
import torch

from ptebench.information.fitting import INPUTS, View, net, train_on, whiten
from ptebench.information.intervals import Estimate, largest_by_chance, ratio

TOPS = (1, 10)


def errors(view: View, target: torch.Tensor, predicted: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared errors of predictions (m, d) of the test part, and those of the mean: two arrays (m,)."""
    y, mean = target[view.fold.test], target[view.fold.fit].mean(0)
    wrong, whole = (part.double().square().sum(1).numpy() for part in (y - predicted, y - mean))
    return wrong, whole


def explain(views: list[View], predicted: list[torch.Tensor], targets: list[torch.Tensor]) -> np.ndarray:
    """Return what is told of each test item of all views and what there is to tell (2, m): R^2 is sum / sum."""
    pairs = [errors(v, y, p[v.fold.test]) for v, y, p in zip(views, targets, predicted, strict=True)]
    wrong, whole = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return np.stack([whole - wrong, whole])


def linear(views: list[View], source: str, targets: list[torch.Tensor]) -> list[torch.Tensor]:
    """Return the ridge's predictions of the targets (n, m), view by view."""
    return [view.ridge(source).predict(y) for view, y in zip(views, targets, strict=True)]


def linear_null(views: list[View], source: str, target: torch.Tensor, seed: int) -> float:
    """Return the largest R^2 of the ridge where items are shuffled."""

    def value(order: np.ndarray) -> float:
        wrong = whole = 0.0
        for view in views:
            y = target[order]
            parts = errors(view, y, view.ridge(source).predict(y, view.fold.test))
            wrong, whole = wrong + parts[0].sum(), whole + parts[1].sum()
        return float(1 - wrong / whole)

    return largest_by_chance(value, len(target), seed)


def nonlinear(view: View, source: str, target: torch.Tensor, base: torch.Tensor, seed: int) -> torch.Tensor:
    """Return the predictions (n, m) of a net of two hidden layers that starts at those of the ridge, `base`."""
    torch.manual_seed(seed)
    x = view.whiten(source, INPUTS)
    unit = (target[view.fold.fit] - target[view.fold.fit].mean(0)).square().mean().sqrt()
    rest = (target - base) / unit
    model = net(x.shape[1], target.shape[1])
    train_on(model, lambda rows: (model(x[rows]) - rest[rows]).square().mean(), view.fold.fit, view.fold.choose, seed)
    with torch.no_grad():
        return base + unit * model(x)


def ranks(view: View, source: str, target: str) -> np.ndarray:
    """Return the mid-rank of each test item's target among all test items, by cosine with what the ridge predicts."""
    test = view.fold.test
    y = whiten(view.vectors[target], view.fold.fit, INPUTS)
    truth, guess = (torch.nn.functional.normalize(m[test], dim=1) for m in (y, view.ridge(source).predict(y)))
    scores = guess @ truth.T
    own = scores.diagonal()[:, None]
    return (((scores > own).sum(1) + (scores >= own).sum(1) + 1) / 2).numpy()


def retrieval(views: list[View], source: str, target: str) -> dict[str, tuple[Estimate, float]]:
    """Return MRR and the share within the TOPS, each with its chance level."""
    parts = [ranks(view, source, target) for view in views]
    place, size = np.concatenate(parts), np.concatenate([np.full(len(f), len(f)) for f in parts])
    harmonic = np.array([np.sum(1 / np.arange(1, n + 1)) / n for n in range(1, size.max() + 1)])
    result = {"MRR": (ratio(1 / place), float(harmonic[size - 1].mean()))}
    for top in TOPS:
        result[f"top-{top}"] = ratio((place <= top).astype(float)), float(np.minimum(top / size, 1).mean())
    return result
