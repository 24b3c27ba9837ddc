"""Whitening: by the variance that items have which were not fitted on."""

import torch

from ptebench.recommenders.whitening import Whitened, fit, variances_elsewhere


def items(n, d=64, least=0.1):
    drawn = torch.Generator().manual_seed(0)
    return torch.randn(n, d, generator=drawn) * torch.linspace(2, least, d)


def test_variances_elsewhere_are_those_of_each_fifth_along_the_components_of_the_rest():
    x, squares = items(53, 6).double(), []
    for fold in range(5):
        part = torch.arange(53) % 5 == fold
        rest = x[~part]
        axes = torch.linalg.svd(rest - rest.mean(0))[2].T
        squares.append(((x[part] - rest.mean(0)) @ axes).square())
    mean = torch.cat(squares).mean(0)
    assert (mean.diff() < 0).all(), "falling already"
    torch.testing.assert_close(variances_elsewhere(x - x.mean(0)), mean)


def test_with_few_items_those_that_were_not_among_them_are_as_long():
    text = torch.cat([torch.zeros(1, 64), items(240)])
    known, new = torch.arange(1, 41), torch.arange(41, 241)
    lengths = []
    for shrinkage in (None, 1e-3):
        white = Whitened(text, known, shrinkage, False)()
        lengths.append(float(white[new].square().mean()))
    assert 0.5 < lengths[0] < 2 and lengths[1] > 10


def test_a_quiet_direction_that_items_share_stays_as_loud_as_any():
    x = torch.randn(400, 32, generator=torch.Generator().manual_seed(0)) * torch.cat(
        [torch.full((31,), 4.0), torch.ones(1)]
    )
    mean, transform = fit(x[:200], None, True)
    assert ((x[200:] - mean) @ transform)[:, 31].std() > 0.8


def test_with_many_items_the_covariance_is_the_identity():
    x = items(20_000, 16)
    mean, transform = fit(x, None, True)
    white = (x - mean) @ transform
    torch.testing.assert_close(white.T @ white / len(x), torch.eye(16), atol=0.02, rtol=0)


def test_what_stands_twice_side_by_side_is_not_blown_up_by_rounding():
    once = torch.nn.functional.normalize(items(600, 16), dim=1)
    text = torch.cat([torch.zeros(1, 32), torch.cat([once, once], 1) * 0.5**0.5])
    for shrinkage in (None, 0.0):
        white = Whitened(text, torch.arange(1, 501), shrinkage, False)()
        assert white[1:].std(0).max() < 1.2 and (white[1:].std(0) > 0.8).sum() == 16
