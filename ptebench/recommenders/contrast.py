"""InfoNCE by cosine: it pulls two views of one thing together and pushes views of different things apart."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.losses import cross_entropy


def contrast(ours: torch.Tensor, theirs: torch.Tensor, temperature: float, at=None) -> torch.Tensor:
    """Return the mean InfoNCE of row k of `ours` (m, d) with row at[k], by default k, of `theirs` (n, d); 0 of none."""
    if not len(ours):
        return ours.sum()
    at = torch.arange(len(ours), device=ours.device) if at is None else at
    return cross_entropy.loss(normalize(ours, dim=1) / temperature, normalize(theirs, dim=1), at)
