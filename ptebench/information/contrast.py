"""A lower bound on mutual information by contrast (InfoNCE), which never passes the log of its candidates."""

import math

import numpy as np
import torch
from torch import nn

from ptebench.information.fitting import INPUTS, View, net, train_on

SIZES = (256, 1024, 4096)
LEAST = 0.01  # of a coordinate's variance that a guess leaves


class Critic(nn.Module):
    """a(u) . b(v) of whitened v: starts as the ratio of densities of Gaussians whose mean the ridge predicts."""

    def __init__(self, x: torch.Tensor, guess: torch.Tensor, y: torch.Tensor, honest: torch.Tensor):
        """Take inputs x (n, k), guesses at y (n, D), y (n, D), and rows that the guesses were not fitted on."""
        super().__init__()
        self.x, self.guess, self.y = x, guess, y
        width = y.shape[1]
        left = (y - guess)[honest].square().mean(0).clamp(LEAST, 1)
        self.scale, self.curve = nn.Parameter(1 / left), nn.Parameter((1 - 1 / left) / 2)
        self.source, self.target = net(x.shape[1], width, 128, 1), net(width, width + 1, 128, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the critic (m, m) of the sources of rows with the targets of rows."""
        a = self.guess[rows] * self.scale + self.source(self.x[rows])
        more = self.target(self.y[rows])
        alone = self.y[rows].square() @ self.curve[:, None] + more[:, :1]
        b = torch.cat([self.y[rows] + more[:, 1:], alone], 1)
        return torch.cat([a, torch.ones(len(a), 1)], 1) @ b.T


def loss(scores: torch.Tensor) -> torch.Tensor:
    """Return -log of the share of the right target among all, row by row."""
    return torch.logsumexp(scores, 1) - scores.diagonal()


def critic(view: View, source: str, target: str, seed: int) -> Critic:
    """Return a critic that the fit part taught."""
    torch.manual_seed(seed)
    y = view.whiten(target, INPUTS)
    model = Critic(view.whiten(source, INPUTS), view.ridge(source).predict(y), y, view.fold.choose)
    train_on(model, lambda rows: loss(model(rows)).mean(), view.fold.fit, view.fold.choose, seed)
    return model


def bounds(model: Critic, test: torch.Tensor, size: int, seed: int) -> np.ndarray:
    """Return log N - loss of the test items in random groups of `size`, those left over aside."""
    order = test[torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))]
    with torch.no_grad():
        parts = [loss(model(group)) for group in order.split(size) if len(group) == size]
    return math.log(size) - torch.cat(parts).double().numpy() if parts else np.empty(0)


def sizes(smallest: int) -> list[int]:
    """Return the numbers of candidates that every fold has, at least one."""
    return [size for size in SIZES if size <= smallest] or [smallest]
