"""Scale and whitening of text vectors, fitted on training items only."""

import torch

from ptebench.files import InputError


def require_text(vectors: torch.Tensor, train_ids: torch.Tensor) -> torch.Tensor:
    """Return the rows `train_ids` of `vectors` (n + 1, d) that are not zeros; raise InputError where all are."""
    rows = vectors[train_ids]
    rows = rows[rows.any(1)]  # a row of zeros is no text, and would pull what is fitted
    if not len(rows):
        raise InputError("text vectors: nothing that training knows has text; check the dataset's item texts")
    return rows


def rescale(vectors: torch.Tensor, train_ids: torch.Tensor) -> torch.Tensor:
    """Return `vectors` (n + 1, d) at unit mean square over `train_ids`, the scale that layers are initialised for."""
    return vectors / require_text(vectors, train_ids).square().mean().sqrt()


def fit(vectors: torch.Tensor, shrinkage: float, zca: bool, components: int | None = None):
    """Return mean (d,) and transform (d, k) such that (x - mean) @ transform has identity covariance.

    `vectors` (n, d) are those of training items; eigenvalues are raised by `shrinkage` times their
    mean, so that directions without variance are not blown up. ZCA keeps the axes, PCA sorts by variance.
    """
    x = vectors.double()
    mean = x.mean(0)
    values, axes = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values, axes = values.flip(0).clamp_min(0), axes.flip(1)
    values = values + shrinkage * values.mean()
    if not bool((values > 0).all()):
        values = values.clamp_min(torch.finfo(torch.float32).eps)
    k = min(components or len(values), len(values))
    transform = axes[:, :k] * values[:k].rsqrt()
    if zca:
        transform = transform @ axes[:, :k].T
    return mean.float(), transform.float()


class Whitened(torch.nn.Module):
    """Text vectors (n + 1, d_text) whitened by a transform that is fitted on training ids and saved with the model.

    The coordinates are cut into `groups` parts, each whitened by itself; correlations between parts stay.
    """

    raw: torch.Tensor  # (n + 1, d_text)
    mean: torch.Tensor  # (d_text,)
    transform: torch.Tensor  # (d_text, k)

    def __init__(self, vectors, train_ids, shrinkage: float, zca: bool, components: int | None = None, groups: int = 1):
        super().__init__()
        if groups > vectors.shape[1]:
            raise InputError(
                f"representations.*.groups: {groups} is more than the {vectors.shape[1]} coordinates of the text; "
                "lower it"
            )
        self.register_buffer("raw", vectors, persistent=False)
        parts = require_text(vectors, train_ids).tensor_split(groups, dim=1)
        means, transforms = zip(*(fit(part, shrinkage, zca, components) for part in parts), strict=True)
        self.register_buffer("mean", torch.cat(means))
        self.register_buffer("transform", torch.block_diag(*transforms))
        self.cached: torch.Tensor | None = None

    @property
    def width(self) -> int:
        return self.transform.shape[1]

    def forward(self) -> torch.Tensor:
        """Return (n + 1, k); rows without text stay zeros."""
        if self.cached is None:
            present = self.raw.any(1, keepdim=True)
            with torch.autocast(self.raw.device.type, enabled=False):  # made once, whoever asks first
                self.cached = torch.where(present, (self.raw - self.mean) @ self.transform, 0.0)
        return self.cached
