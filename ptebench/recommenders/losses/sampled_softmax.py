"""Softmax cross entropy over the target and uniform negatives that the whole batch shares."""

import torch
from torch.nn.functional import embedding

from ptebench.hardware import gemm_precision
from ptebench.recommenders.losses.cross_entropy import negative_log

CHUNK = 128  # rows of logits alive at once on a processor, few enough for its cache


class _FusedSampledSoftmax(torch.autograd.Function):
    """All gradients are made in the forward pass, chunk by chunk; products in the machine's precision, sums in float32.

    `positive` (N,) are the targets' logits, `vectors` (k, d) those of `negatives` (k,).
    """

    @staticmethod
    def forward(ctx, hidden, positive, vectors, targets, negatives):
        rows, kind = len(hidden), gemm_precision(hidden.device.type, hidden.shape[1])
        size = CHUNK if hidden.device.type == "cpu" else rows  # a GPU would wait for the launches of small chunks
        h, e = hidden.to(kind), vectors.to(kind)
        # one buffer for all chunks: new memory of this size costs as much as what is written into it
        buffer = hidden.new_empty(min(size, rows), 1 + len(e), dtype=torch.float32)
        d_hidden, d_positive = torch.empty_like(h), torch.empty_like(positive)
        d_vectors = torch.zeros_like(vectors, dtype=torch.float32)
        loss = torch.zeros((), device=hidden.device)
        for start in range(0, rows, size):
            part = slice(start, start + size)
            chunk, probability = h[part], buffer[: len(h[part])]
            probability[:, 0] = positive[part]
            probability[:, 1:] = chunk @ e.T
            probability[:, 1:].masked_fill_(targets[part, None] == negatives, float("-inf"))
            torch.softmax(probability, dim=-1, out=probability)
            of_others = probability[:, 1:].sum(1)  # near 1, the target's less 1 is rounding alone
            loss += negative_log(probability[:, 0], of_others).sum()
            d_positive[part] = -of_others
            of_negatives = probability[:, 1:].to(kind)
            d_hidden[part] = of_negatives @ e
            d_vectors += (of_negatives.T @ chunk).float()
        ctx.save_for_backward(d_hidden, d_positive, d_vectors)
        ctx.rows = rows
        return loss / rows

    @staticmethod
    def backward(ctx, gradient):
        d_hidden, d_positive, d_vectors = ctx.saved_tensors
        scale = gradient / ctx.rows
        return d_hidden.float() * scale, d_positive * scale, d_vectors * scale, None, None


def draw(targets, n, generator, settings):
    """Return settings["negatives"] of n items, for all targets."""
    return torch.randint(n, (settings["negatives"],), generator=generator, device=targets.device)


def loss(hidden, vectors, targets, negatives, n, settings):
    """Return the mean loss for `hidden` (N, d), `vectors` (m, d), `targets` (N,) and `negatives` (k,).

    A negative that is the row's own target is left out of that row.
    """
    positive = (hidden * embedding(targets, vectors)).sum(-1)
    return _FusedSampledSoftmax.apply(hidden, positive, embedding(negatives, vectors), targets, negatives)
