"""Softmax cross entropy over the target and uniform negatives that the whole batch shares."""

import torch
from ptebench.hardware import gemm_precision
from torch.nn.functional import cross_entropy, embedding


def loss(hidden, vectors, targets, generator, settings):
    """Return the mean loss for `hidden` (N, d), `vectors` (n, d), `targets` (N,); settings["negatives"] are drawn.

    A negative that is the row's own target is left out of that row.
    """
    negatives = torch.randint(len(vectors), (settings["negatives"],), generator=generator, device=targets.device)
    positive = (hidden * embedding(targets, vectors)).sum(-1, keepdim=True)
    kind = gemm_precision(hidden.device.type)
    logits = hidden.to(kind) @ embedding(negatives, vectors).to(kind).T
    logits = logits.float().masked_fill(targets[:, None] == negatives, float("-inf"))
    return cross_entropy(torch.cat([positive, logits], 1), torch.zeros_like(targets))
