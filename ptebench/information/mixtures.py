"""Information sufficiency, cross-fitted: how many nats of some vectors others tell, by mixture densities."""

import math

import numpy as np
import torch
from torch import nn

from ptebench.information.fitting import INPUTS, View, net, train_on
from ptebench.randomness import generator

COMPONENTS = 8
WIDTH = 16  # principal components of what is told
RATE = 1e-2
NOISE = 0.1  # of the copy that vectors are told by themselves
ROWS_EACH = 20  # fit items for each component that is told, at least


class Mixture(nn.Module):
    """A density of y (n, D): a mixture of Gaussians, whose weights, means and scales may follow inputs x (n, k).

    It starts as the Gaussian of the residuals of `base` (n, D) over the rows `honest`, which `base` was not fitted on.
    """

    def __init__(self, y: torch.Tensor, base: torch.Tensor, honest: torch.Tensor, x: torch.Tensor | None):
        super().__init__()
        rest = (y - base).double()
        width = y.shape[1]
        covariance = rest[honest].T @ rest[honest] / len(honest)
        ridge = (1e-6 + covariance.diagonal().mean()) * width / (10 * len(honest))
        factor = torch.linalg.cholesky(covariance + ridge * torch.eye(width))
        self.rest = torch.linalg.solve_triangular(factor, rest.T, upper=False).T.float()
        self.volume = float(factor.diagonal().log().sum())
        self.shape = COMPONENTS, 1 + 2 * width
        start = torch.zeros(self.shape)
        start[:, 1 : 1 + width] = 0.1 * torch.randn(COMPONENTS, width)
        self.start, self.x = nn.Parameter(start), x
        self.follow = None if x is None else net(x.shape[1], math.prod(self.shape), 128, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the log density of rows."""
        parameters = self.start.expand(len(rows), *self.shape)
        if self.follow is not None and self.x is not None:
            parameters = parameters + self.follow(self.x[rows]).view(-1, *self.shape)
        width = self.rest.shape[1]
        weight, mean, scale = parameters[..., 0], parameters[..., 1 : 1 + width], parameters[..., 1 + width :]
        scale = 3 * torch.tanh(scale / 3)  # of the log: a component cannot fall onto a point
        away = (self.rest[rows, None] - mean) * (-scale).exp()
        each = -0.5 * away.square().sum(-1) - scale.sum(-1)
        whole = torch.logsumexp(weight.log_softmax(1) + each, 1)
        return whole - self.volume - width / 2 * math.log(2 * math.pi)


def leading(view: View, target: str) -> torch.Tensor:
    """Return the components (n, D) of a target that are told."""
    return view.whiten(target, max(1, min(WIDTH, len(view.fold.fit) // ROWS_EACH)))


def log_density(view: View, y: torch.Tensor, source: torch.Tensor | None, base: torch.Tensor, seed: int) -> np.ndarray:
    """Return the log density of each test item's y (n, D), given the inputs of `source` (n, k) or nothing."""
    torch.manual_seed(seed)
    model = Mixture(y, base, view.fold.choose, source)

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return -model(rows).mean()

    # one mixture for all inputs first: what follows the inputs then is what they tell, and no better mixture
    train_on(model, loss, view.fold.fit, view.fold.choose, seed, RATE, [model.start])
    if source is not None:
        train_on(model, loss, view.fold.fit, view.fold.choose, seed, RATE)
    with torch.no_grad():
        return model(view.fold.test).double().numpy()


def marginal(view: View, target: str, seed: int) -> np.ndarray:
    """Return the log density of each test item's target when nothing is known."""
    y = leading(view, target)
    return log_density(view, y, None, y[view.fold.fit].mean(0).expand_as(y), seed)


def conditional(view: View, source: str, target: str, seed: int) -> np.ndarray:
    """Return the log density of each test item's target when the source is known; its own self with NOISE."""
    y = leading(view, target)
    if source != target:
        return log_density(view, y, view.whiten(source, INPUTS), view.ridge(source).predict(y), seed)
    noise = generator(seed, "copy").standard_normal(tuple(y.shape))
    copy = y + NOISE * torch.from_numpy(noise).float()
    return log_density(view, y, copy, copy / (1 + NOISE**2), seed)
