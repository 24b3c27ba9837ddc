"""Generalised binary cross entropy, for overconfidence by sampled negatives (Petrov & Macdonald, RecSys 2023)."""

import torch
from torch.nn.functional import embedding, softplus


def draw(targets, n, generator, settings):
    """Return negatives (N, k) of `targets` (N,), both of n items: k = settings["negatives"], at most n - 1."""
    k = min(settings["negatives"], n - 1)
    shift = torch.randint(1, n, (len(targets), k), generator=generator, device=targets.device)
    return (targets[:, None] + shift) % n


def loss(hidden, vectors, targets, negatives, n, settings):
    """Return the mean of -log sigma(h.e+)^beta - sum log sigma(-h.e-), divided by 1 + k.

    beta = a (t (1 - 1/a) + 1/a), a = k / (n - 1), t = settings["calibration"]: 0 is binary cross entropy, 1 makes
    the scores calibrated probabilities. `hidden` (N, d), `vectors` (m, d), `targets` (N,), `negatives` (N, k) of n.
    """
    k = negatives.shape[1]
    share = k / (n - 1)
    beta = share * (settings["calibration"] * (1 - 1 / share) + 1 / share)
    positive = (hidden * embedding(targets, vectors)).sum(-1)
    negative = torch.bmm(embedding(negatives, vectors), hidden[..., None])[..., 0]
    return (beta * softplus(-positive) + softplus(negative).sum(1)).mean() / (1 + k)
