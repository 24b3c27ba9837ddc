"""Models of one part of the items: whitening, ridge, and nets that start where the ridge ends."""

from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import nn

from ptebench.descent import descend
from ptebench.information.folds import Fold

PENALTIES = 10.0 ** torch.arange(-4, 4, dtype=torch.float64)  # times the mean eigenvalue
SHRINKAGE = 1e-3
INPUTS = 64  # principal components that a net reads
HIDDEN = 256
BATCHES = 64, 512  # the smallest and the largest; between them an epoch has eight
EPOCHS = 40
PATIENCE = 4


def net(inputs: int, outputs: int, hidden: int = HIDDEN, layers: int = 2) -> nn.Sequential:
    """Return an MLP of `layers` hidden layers whose outputs are 0 until it learns."""
    sizes = [inputs, *[hidden] * layers]
    stack: list[nn.Module] = []
    for size, following in zip(sizes, sizes[1:], strict=False):
        stack += [nn.Linear(size, following), nn.GELU()]
    last = nn.Linear(sizes[-1], outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*stack, last)


class Ridge:
    """Least squares from x (n, d), with the penalty that the part to choose by likes best."""

    def __init__(self, x: torch.Tensor, fold: Fold):
        self.fold = fold
        centred = x.double() - x[fold.fit].double().mean(0)
        values, axes = torch.linalg.eigh(centred[fold.fit].T @ centred[fold.fit] / len(fold.fit))
        self.values, self.along = values.clamp_min(0).float(), (centred @ axes).float()  # in principal components
        self.products = self.along[fold.choose].T @ self.along[fold.choose]
        self.penalties = (PENALTIES * values.mean().clamp_min(1e-12)).float()

    def predict(self, y: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the fit part says of y (n, m) for all rows, or for `rows` alone."""
        fit, choose = self.fold.fit, self.fold.choose
        mean = y[fit].mean(0)
        moments = self.along[fit].T @ (y[fit] - mean) / len(fit)
        trial_moments = self.along[choose].T @ (y[choose] - mean)
        best, weights = 0.0, torch.zeros_like(moments)  # of the mean alone
        for penalty in self.penalties:
            trial = moments / (self.values + penalty)[:, None]
            more = float(
                (trial * (self.products @ trial - 2 * trial_moments)).sum()
            )  # squared error beside that of the mean
            if more < best:
                best, weights = more, trial
        return mean + (self.along if rows is None else self.along[rows]) @ weights


class View:
    """Vectors by name (n, d) as one fold sees them: whitened and regressed on by its fit part alone."""

    def __init__(self, vectors: dict[str, torch.Tensor], fold: Fold):
        self.vectors, self.fold = vectors, fold
        self.whiten, self.ridge = cache(self._whiten), cache(self._ridge)

    def _whiten(self, name: str, width: int) -> torch.Tensor:
        """Return the leading components (n, at most `width`), each of unit variance."""
        return whiten(self.vectors[name], self.fold.fit, width)

    def _ridge(self, name: str) -> Ridge:
        return Ridge(self.vectors[name], self.fold)


def whiten(x: torch.Tensor, fit: torch.Tensor, width: int) -> torch.Tensor:
    """Return the leading components (n, at most `width`) of x, each of unit variance over the rows `fit`."""
    inside = x[fit].double()
    mean = inside.mean(0)
    values, axes = torch.linalg.eigh((inside - mean).T @ (inside - mean) / len(inside))
    values, axes = values.flip(0).clamp_min(0), axes.flip(1)
    count = min(width, int((values > 1e-9 * values[0]).sum()))
    scale = (values[:count] + SHRINKAGE * values.mean()).rsqrt()
    return ((x.double() - mean) @ (axes[:, :count] * scale)).float()


def train_on(
    model: nn.Module,
    loss: Callable[[torch.Tensor], torch.Tensor],
    fit: torch.Tensor,
    choose: torch.Tensor,
    seed: int,
    rate: float = 1e-3,
    parameters: list[nn.Parameter] | None = None,
) -> None:
    """Train a model in batches of the rows `fit`, and leave it where loss(choose) was least, the start included.

    loss(rows) returns the mean loss of rows. parameters: those to train, by default all.
    """
    optimizer = torch.optim.AdamW(parameters or model.parameters(), lr=rate, weight_decay=1e-2)
    draws = torch.Generator().manual_seed(seed)
    size = min(max(len(fit) // 8, BATCHES[0]), BATCHES[1])

    def losses() -> Iterator[torch.Tensor]:
        for rows in fit[torch.randperm(len(fit), generator=draws)].split(size):
            yield loss(rows)

    descend(model, optimizer, losses, lambda: float(loss(choose)), EPOCHS, PATIENCE)
