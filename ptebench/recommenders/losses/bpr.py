"""Bayesian personalised ranking (Rendle et al., UAI 2009)."""

from torch.nn.functional import softplus


def bpr(positive, negative):
    """Return the mean of -log sigma(positive - negative) over scores of equal shape."""
    return softplus(negative - positive).mean()
