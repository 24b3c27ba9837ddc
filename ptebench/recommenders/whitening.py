"""Scale and whitening of text vectors, fitted on training items only."""

import torch
from sklearn.isotonic import isotonic_regression

from ptebench.files import InputError

FOLDS = 5


def require_text(vectors: torch.Tensor, train_ids: torch.Tensor) -> torch.Tensor:
    """Return the rows `train_ids` of `vectors` (n + 1, d) that are not zeros; raise InputError where all are."""
    rows = vectors[train_ids]
    rows = rows[rows.any(1)]  # a row of zeros is no text, and would pull what is fitted
    if not len(rows):
        raise InputError(
            "text vectors: nothing that training knows has text; check the texts of the dataset's items, or of the "
            "users whose profiles are read, or read another text"
        )
    return rows


def require_difference(vectors: torch.Tensor, train_ids: torch.Tensor) -> None:
    """Raise InputError where rows `train_ids` of `vectors` (n + 1, d) have text, more than one, and all the same."""
    rows = require_text(vectors, train_ids)
    if len(rows) > 1 and (rows == rows[0]).all():
        raise InputError(
            f"text vectors: the {len(rows):,} texts that training knows are all alike, so that nothing can be learned "
            "from them; check the columns that the dataset's texts are read from, or read another text"
        )


def rescale(vectors: torch.Tensor, train_ids: torch.Tensor) -> torch.Tensor:
    """Return `vectors` (n + 1, d) at unit mean square over `train_ids`, the scale that layers are initialised for."""
    return vectors / require_text(vectors, train_ids).square().mean().sqrt()


def spectrum(covariance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the variances (d,) of principal components, falling, and these (d, d)."""
    values, axes = torch.linalg.eigh(covariance)
    return values.flip(0).clamp_min(0), axes.flip(1)


def variances_elsewhere(centred: torch.Tensor) -> torch.Tensor:
    """Return the variance (d,) that items have along the principal components of others, falling.

    Of each fifth of the items `centred` (n, d) by the components of the rest (Bartz, 2016). Where few items do not vary
    at all, others do; divided by next to nothing, they would be all noise.
    """
    parts = [centred[fold :: min(FOLDS, len(centred))] for fold in range(min(FOLDS, len(centred)))]
    products = [part.T @ part for part in parts]
    whole, squares = torch.stack(products).sum(0), torch.zeros_like(centred[0])
    for part, product in zip(parts, products, strict=True):
        rest = len(centred) - len(part)
        mean = -part.sum(0) / rest
        axes = spectrum((whole - product) / rest - mean.outer(mean))[1]
        across = part.sum(0).outer(mean)
        around = product - across - across.T + len(part) * mean.outer(mean)
        squares += (axes * (around @ axes)).sum(0)
    falling = isotonic_regression((squares / len(centred)).cpu().numpy(), increasing=False)
    return torch.from_numpy(falling.copy()).to(centred)


def fit(vectors: torch.Tensor, shrinkage: float | None, zca: bool, components: int | None = None):
    """Return mean (d,) and transform (d, k) such that (x - mean) @ transform has identity covariance.

    `vectors` (n, d) are those of training items. Principal components are divided by the deviation of
    `variances_elsewhere` or, with a `shrinkage`, by their own, its square raised by so many times the mean, so that
    directions of little variance are not blown up; those that vary by rounding alone become zeros. ZCA keeps the axes,
    PCA sorts by variance.
    """
    x = vectors.double()
    mean = x.mean(0)
    centred = x - mean
    values, axes = spectrum(centred.T @ centred / len(x))
    values = values + (shrinkage or 0.0) * values.mean()
    if shrinkage is None and len(x) > 1:
        values = variances_elsewhere(centred)
    k = min(components or len(values), len(values))
    vary = values > values.max() * (len(values) * torch.finfo(torch.float32).eps) ** 2
    transform = axes[:, :k] * torch.where(vary, values, torch.inf)[:k].rsqrt()
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

    def __init__(
        self, vectors, train_ids, shrinkage: float | None, zca: bool, components: int | None = None, groups: int = 1
    ):
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
