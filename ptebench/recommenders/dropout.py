"""Dropout whose random bits a processor draws eight elements at a time."""

import torch
from torch import nn


class Dropout(nn.Dropout):
    """Zero elements of x (any shape) with probability p, rounded to 1/256, and scale the others to keep the mean.

    On a processor torch draws one number per element, in sequence: a sixth of a training step of SASRec. One byte per
    element is enough for a coin. On a GPU this is `nn.Dropout`.
    """

    def forward(self, x):
        """Return a tensor like x."""
        if not self.training or self.p == 0 or x.is_cuda:
            return super().forward(x)
        threshold = max(round(256 * (1 - self.p)), 1)
        bits = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
        return x * ((bits[: x.numel()].view(x.shape) < threshold).to(x.dtype) * (256 / threshold))
