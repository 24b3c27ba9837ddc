"""Binary cross entropy with one uniform negative per position (Kang & McAuley, ICDM 2018)."""

import torch
from torch.nn.functional import embedding, softplus


def draw(targets, n, generator, settings):
    """Return negatives (N,) of `targets` (N,), both of n items.

    A negative differs from its target; one that the user has elsewhere in the history is
    as rare as the history is short against the catalogue, and is kept.
    """
    shift = torch.randint(1, n, targets.shape, generator=generator, device=targets.device)
    return (targets + shift) % n


def loss(hidden, vectors, targets, negatives, n, settings):
    """Return the mean of -log sigma(h.e+) - log sigma(-h.e-).

    `hidden` is (N, d), `vectors` (m, d), `targets` and `negatives` are (N,).
    """
    positive, negative = ((hidden * embedding(ids, vectors)).sum(-1) for ids in (targets, negatives))
    return softplus(-positive).mean() + softplus(negative).mean()
