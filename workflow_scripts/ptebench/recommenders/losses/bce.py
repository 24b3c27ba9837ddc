"""Binary cross entropy with one uniform negative per position (Kang & McAuley, ICDM 2018)."""

import torch
from torch.nn.functional import embedding, softplus


def loss(hidden, vectors, targets, generator, settings):
    """Return the mean of -log sigma(h.e+) - log sigma(-h.e-) for `hidden` (N, d), `vectors` (n, d), `targets` (N,).

    A negative differs from its target; one that the user has elsewhere in the history is
    as rare as the history is short against the catalogue, and is kept.
    """
    n = len(vectors)
    shift = torch.randint(1, n, targets.shape, generator=generator, device=targets.device)
    negatives = (targets + shift) % n
    positive, negative = ((hidden * embedding(ids, vectors)).sum(-1) for ids in (targets, negatives))
    return softplus(-positive).mean() + softplus(negative).mean()
