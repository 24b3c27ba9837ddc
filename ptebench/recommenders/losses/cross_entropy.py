"""Softmax cross entropy over all training items, without ever keeping the logits."""

import torch

from ptebench.hardware import gemm_precision

CHUNK = 256  # rows of logits alive at once on a processor
LOGITS = 2**30  # alive at once on a GPU, which would wait for the launches of small chunks


def negative_log(probability, rest):
    """Return -log(probability), from rest = 1 - probability where that is more exact; float32, of one shape."""
    return torch.where(rest < 0.5, -torch.log1p(-rest), -probability.clamp_min(1e-30).log())


class _FusedCrossEntropy(torch.autograd.Function):
    """Both gradients are made in the forward pass, chunk by chunk, sums in float32."""

    @staticmethod
    def forward(ctx, hidden, vectors, targets):
        rows, kind = hidden.shape[0], gemm_precision(hidden.device.type, hidden.shape[1])
        h, e = hidden.to(kind), vectors.to(kind)
        size = CHUNK if hidden.device.type == "cpu" else max(LOGITS // len(vectors), 1)
        # one buffer for all chunks: new memory of this size costs as much as what is written into it
        logits = h.new_empty(min(size, rows), len(vectors))
        d_hidden = torch.empty_like(h)
        # texts that are told from one another have no gradient, a third of the work
        d_vectors = torch.zeros_like(vectors, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        loss = torch.zeros((), device=hidden.device)
        for start in range(0, rows, size):
            part = slice(start, start + size)
            chunk, target = h[part], targets[part, None]
            probability = torch.mm(chunk, e.T, out=logits[: len(chunk)])
            torch.softmax(probability, dim=-1, out=probability)
            of_target = probability.gather(1, target).float()
            probability.scatter_(1, target, 0.0)
            of_others = 1 - of_target
            sure = (of_others[:, 0] < 0.5).nonzero()[:, 0]  # the nearer 1, the more of that is rounding
            of_others[sure] = probability[sure].sum(1, keepdim=True, dtype=torch.float32)
            loss += negative_log(of_target, of_others).sum()
            probability.scatter_(1, target, -of_others.to(kind))
            d_hidden[part] = probability @ e
            if d_vectors is not None:
                d_vectors += (probability.T @ chunk).float()
        ctx.save_for_backward(d_hidden, d_vectors)
        ctx.rows = rows
        return loss / rows

    @staticmethod
    def backward(ctx, gradient):
        d_hidden, d_vectors = ctx.saved_tensors
        scale = gradient / ctx.rows
        return d_hidden.float() * scale, None if d_vectors is None else d_vectors * scale, None


def draw(targets, n, generator, settings):
    """Return None: the target is compared with every item."""


def loss(hidden, vectors, targets, *_):
    """Return the mean cross entropy of `targets` (N,), rows of `vectors` (n, d), given `hidden` (N, d)."""
    return _FusedCrossEntropy.apply(hidden, vectors, targets)
