"""Each instrument on Gaussians, whose answer is known in closed form."""

import math

import numpy as np
import pytest
import torch

from ptebench.information import contrast, geometry, mixtures, reconstruction
from ptebench.information.fitting import View
from ptebench.information.folds import FOLDS, folds, numbers, rarest_fold
from ptebench.information.intervals import jackknife, ratio

WIDTH = 4
COUNT = 1500


def pair(correlation, count=COUNT, seed=0):
    """Return u and v, turned and stretched, whose coordinates correlate pairwise; their information is known."""
    draws = torch.Generator().manual_seed(seed)
    u, noise = torch.randn(2, count, WIDTH, generator=draws)
    v = correlation * u + (1 - correlation**2) ** 0.5 * noise
    turn = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=draws))[0]
    return 3 * u @ turn + 1, 0.2 * v @ turn.T


def views(**vectors):
    number = numbers(np.arange(len(next(iter(vectors.values())))), 0)
    return [View(vectors, fold) for fold in folds(number)]


def information(correlation):
    return -WIDTH / 2 * math.log(1 - correlation**2)


def told(parts, source, target):
    return ratio(
        np.concatenate([mixtures.conditional(v, source, target, 0) - mixtures.marginal(v, target, 0) for v in parts])
    )


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_mixture_densities_find_the_nats_of_gaussians(correlation):
    u, v = pair(correlation)
    found = told(views(u=u, v=v), "u", "v")
    assert abs(found.value - information(correlation)) < 0.03 + 0.05 * information(correlation)
    assert found.low < found.value < found.high


def test_mixture_densities_see_through_a_bend_that_keeps_the_information():
    u, v = pair(0.8, 3000)
    bent = torch.sinh(1.5 * (v - v.mean(0)) / v.std(0))
    assert told(views(u=u, v=bent), "u", "v").value > 0.75 * information(0.8)


def test_what_vectors_tell_of_themselves_is_what_the_noise_leaves():
    _, v = pair(0.3)
    assert told(views(v=v), "v", "v").value == pytest.approx(WIDTH / 2 * math.log(1 + 1 / mixtures.NOISE**2), abs=0.1)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_contrast_bounds_the_nats_from_below_and_never_passes_its_cap(correlation):
    u, v = pair(correlation)
    parts = views(u=u, v=v)
    bound = ratio(
        np.concatenate([contrast.bounds(contrast.critic(p, "u", "v", 0), p.fold.test, 256, 0) for p in parts])
    )
    assert 0.85 * information(correlation) - 0.02 < bound.value < information(correlation) + 0.05
    small = contrast.bounds(contrast.critic(parts[0], "v", "v", 0), parts[0].fold.test, 32, 0)
    assert math.log(32) - 0.2 < small.mean() <= math.log(32)


def test_too_few_items_leave_no_group_for_contrast_but_their_own():
    assert contrast.sizes(40) == [40] and contrast.sizes(2000) == [256, 1024]


def r2(parts, source, target, curved=False):
    y = parts[0].vectors[target]
    base = reconstruction.linear(parts, source, [y] * FOLDS)
    if curved:
        base = [reconstruction.nonlinear(view, source, y, b, 0) for view, b in zip(parts, base)]
    return ratio(*reconstruction.explain(parts, base, [y] * FOLDS))


def test_a_linear_map_explains_the_square_of_the_correlation_and_shuffled_items_nothing():
    u, v = pair(0.6)
    parts = views(u=u, v=v)
    assert r2(parts, "u", "v").value == pytest.approx(0.36, abs=0.03)
    null = reconstruction.linear_null(parts, "u", v, 0)
    assert -0.01 < null < 0.01
    assert r2(views(u=u, v=torch.randn(v.shape)), "u", "v").value < 0.01


def test_a_net_sees_squares_where_a_line_sees_nothing():
    u, _ = pair(0.0)
    parts = views(u=u, v=((u - 1) @ torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1))).square())
    assert r2(parts, "u", "v").value < 0.02 and r2(parts, "u", "v", curved=True).value > 0.9


def test_retrieval_of_unrelated_vectors_is_chance():
    u, v = pair(0.0)
    for estimate, chance in reconstruction.retrieval(views(u=u, v=v), "u", "v").values():
        assert estimate.low <= chance <= estimate.high
    u, v = pair(0.9)
    found = reconstruction.retrieval(views(u=u, v=v), "u", "v")
    assert found["top-10"][0].value > 0.6 > 0.04 > found["top-10"][1]


def test_cka_of_gaussians_is_the_square_of_the_correlation_even_of_few_items():
    values = [geometry.debiased_cka(*pair(0.6, 100, seed)) for seed in range(40)]
    assert np.mean(values) == pytest.approx(0.36, abs=0.05)
    assert abs(np.mean([geometry.debiased_cka(*pair(0.0, 100, seed)) for seed in range(40)])) < 0.02


def test_likeness_of_the_same_shape_is_one_and_of_unrelated_vectors_chance():
    u, v = pair(0.0)
    turned = u @ torch.linalg.qr(torch.randn(WIDTH, WIDTH))[0]
    near = geometry.neighbours(u)
    for name, (estimate, null) in geometry.likeness(u, turned, (near, geometry.neighbours(turned)), 0).items():
        assert name == "CKA" and estimate.value == pytest.approx(1, abs=1e-4) or estimate.value > 0.99 > 0.1 > null
    for estimate, null in geometry.likeness(u, v, (near, geometry.neighbours(v)), 0).values():
        assert estimate.low < null


def test_shape_of_a_sphere_and_of_a_line():
    ball = torch.randn(COUNT, 8, generator=torch.Generator().manual_seed(0))
    line = ball[:, :1] * torch.ones(8) + 5
    pairs = geometry.sample_pairs(COUNT, 1)
    round_, flat = geometry.shape(ball, pairs, 0), geometry.shape(line, pairs, 0)
    assert round_["effective rank"].value == pytest.approx(8, abs=0.1)
    assert flat["effective rank"].value == pytest.approx(1, abs=1e-3)
    assert abs(round_["mean cosine"].value) < 0.01 and flat["mean cosine"].value > 0.9
    assert round_["uniformity"].value < flat["uniformity"].value
    assert round_["alignment"].value == pytest.approx(2, abs=0.05)


def test_intervals_cover_a_mean_19_times_in_20():
    random = np.random.default_rng(0)
    hits = [0, 0]
    for _ in range(200):
        sample = random.standard_normal(80)
        for place, found in enumerate((ratio(sample), jackknife(lambda rows, s=sample: s[rows].mean(), 80))):
            hits[place] += found.low <= 0 <= found.high
    assert all(180 <= hit <= 199 for hit in hits), hits


def test_a_bootstrap_over_users_is_wider_than_one_over_their_events():
    values = np.repeat(np.random.default_rng(0).standard_normal(50), 10)
    by_event, by_user = ratio(values), ratio(values, units=np.repeat(np.arange(50), 10))
    assert by_user.high - by_user.low > 2 * (by_event.high - by_event.low)
    assert by_user.value == pytest.approx(by_event.value)


def test_folds_hold_each_item_once_and_are_alike_in_popularity():
    counts = np.random.default_rng(0).geometric(0.1, 503)
    parts = folds(numbers(counts, 0))
    assert sorted(torch.cat([fold.test for fold in parts]).tolist()) == list(range(503))
    for fold in parts:
        whole = torch.cat([fold.fit, fold.choose, fold.test])
        assert sorted(whole.tolist()) == list(range(503))
        assert abs(counts[fold.test.numpy()].mean() - counts.mean()) < 0.7
    rare = rarest_fold(counts, 0)
    assert counts[rare.test.numpy()].max() <= counts[torch.cat([rare.fit, rare.choose]).numpy()].min()
