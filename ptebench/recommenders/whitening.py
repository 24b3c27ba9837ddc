"""Scale and whitening of text vectors, fitted on training items only."""

import torch

from ptebench.files import InputError


def with_text(vectors: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return the rows of `vectors` (n + 1, d) of those of `known` that have text; raise InputError where none has."""
    rows = vectors[known]
    rows = rows[rows.any(1)]  # a row of zeros is no text, and would pull what is fitted
    if not len(rows):
        raise InputError("text vectors: nothing that training knows has text; check the dataset's item texts")
    return rows


def scaled(vectors: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return `vectors` (n + 1, d) at unit mean square over `known`, the scale that layers are initialised for."""
    return vectors / with_text(vectors, known).square().mean().sqrt()


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
    """Text vectors (n + 1, d_text) seen through a fitted whitening; the transform, not the result, is saved.

    `groups` parts of the coordinates, in their order, are whitened each by itself: what they have in common is kept.
    """

    raw: torch.Tensor  # (n + 1, d_text)
    mean: torch.Tensor  # (d_text,)
    transform: torch.Tensor  # (d_text, k)

    def __init__(self, vectors, known, shrinkage: float, zca: bool, components: int | None = None, groups: int = 1):
        super().__init__()
        if groups > vectors.shape[1]:
            raise InputError(
                f"representations.*.groups: {groups} is more than the {vectors.shape[1]} coordinates of the text; "
                "lower it"
            )
        self.register_buffer("raw", vectors, persistent=False)
        parts = with_text(vectors, known).tensor_split(groups, dim=1)
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
