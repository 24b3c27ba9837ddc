"""Mutual contrast of pairs: the next item told from other items, what came before it from what came before others."""

import torch

from ptebench.hardware import gemm_precision

CHUNK = 256  # rows of logits alive at once, few enough for a processor's cache


def _told(scores, hit, at, weight: float):
    """Turn `scores` (n, m) of which the answers are `at` (n,), less those `hit`, into gradients; return the loss."""
    row = torch.arange(len(scores))
    scores.masked_fill_(hit, float("-inf"))
    torch.softmax(scores, dim=1, out=scores)
    answer = scores[row, at]
    scores[row, at] = answer - 1
    scores.mul_(weight)
    return -answer.clamp_min(1e-30).log().sum() * weight


class _Mutual(torch.autograd.Function):
    """Both gradients are made in the forward pass, chunk by chunk; products in the machine's precision."""

    @staticmethod
    def forward(ctx, before, after, at, positive, offset, temperature):
        kind, size = gemm_precision(before.device.type, before.shape[1]), len(before)
        b, a = (before / temperature).to(kind), after.to(kind)
        own, weight = a[at], 1 / (2 * size)
        d_before, d_after, d_own = torch.zeros_like(before), torch.zeros_like(after), torch.zeros_like(before)
        others, loss = positive.T.contiguous(), torch.zeros(())
        for start in range(0, size, CHUNK):
            part = slice(start, start + CHUNK)
            row = torch.arange(len(b[part]))
            scores = (b[part] @ a.T).float().sub_(offset)
            hit = positive[part].clone()
            hit[row, at[part]] = False
            loss += _told(scores, hit, at[part], weight)
            gradient = scores.to(kind)
            d_before[part] += gradient @ a
            d_after += gradient.T @ b[part]
            scores = (own[part] @ b.T).float()
            hit = others[at[part]]
            hit[row, row + start] = False
            loss += _told(scores, hit, row + start, weight)
            gradient = scores.to(kind)
            d_before += gradient.T @ own[part]
            d_own[part] = gradient @ b
        ctx.save_for_backward(d_before / temperature, d_after.index_add_(0, at, d_own))
        return loss

    @staticmethod
    def backward(ctx, gradient):
        d_before, d_after = ctx.saved_tensors
        return d_before * gradient, d_after * gradient, None, None, None, None


def contrast(before, after, at, positive, offset, temperature: float) -> torch.Tensor:
    """Return half the sum of both mean cross entropies of cosines over `temperature`.

    Of unit vectors `before` (B, d) each is told the row `at` (B,) of unit vectors `after` (m, d), whose logits are
    lowered by `offset` (m,); and of each such row, which of `before` it follows. `positive` (B, m) marks pairs that are
    true, which no pair is told from.
    """
    return _Mutual.apply(before, after, at, positive, offset, temperature)
