"""Significance: against scipy and ranx, errors of families under the null, and evidence read from files of ranks."""

import os

import numpy as np
import polars as pl
import pytest
from scipy import stats

from ptebench.files import GROUPS, RANKS, InputError, write_table
from ptebench.report.significance import (
    LEVEL,
    UNITS,
    Sample,
    adjust_holm,
    assign_units,
    bootstrap,
    collect_samples,
    find_rivals,
    judge,
    pair_rows,
    permute,
    read_values,
)  # fmt: skip


def sample(values, sizes=None):
    """Return the sample of values (events, rows) of one metric."""
    values = np.asarray(values, dtype=float)
    return Sample(values[:, None], np.ones(len(values)) if sizes is None else sizes, values.std(0)[None])


def gain(values):
    return lambda first, second, axis=-1: (first - second).mean(axis)


@pytest.mark.parametrize("seed", range(6))
def test_all_flips_of_few_events_equal_scipy(seed):
    random = np.random.default_rng(seed)
    # ranks within 10 of three items have many ties, which count as large
    values = random.normal(size=(12, 2)) if seed % 2 else 1 / random.integers(1, 4, size=(12, 2))
    p, resolution = permute(values[:, None], [(0, 1)])
    other = stats.permutation_test(tuple(values.T), gain(values), permutation_type="samples", n_resamples=np.inf)
    assert p.item() == pytest.approx(other.pvalue) and resolution == 2 / 2**12


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1])
def test_random_flips_agree_with_scipy_and_the_t_test(shift):
    random = np.random.default_rng(1)
    values = random.exponential(size=(800, 2)) * 0.3 + [shift, 0]
    p, resolution = permute(values[:, None], [(0, 1)])
    other = stats.permutation_test(tuple(values.T), gain(values), permutation_type="samples", n_resamples=9999, rng=0)
    assert p.item() == pytest.approx(other.pvalue, abs=0.02)
    assert p.item() == pytest.approx(stats.ttest_rel(*values.T).pvalue, abs=0.02)
    assert resolution == 1e-4 <= p.item()


def test_random_flips_agree_with_ranx():
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    from ranx.statistical_tests import fisher_randomization_test

    values = np.random.default_rng(2).random((60, 2)) + [0.08, 0]
    test = getattr(fisher_randomization_test, "py_func", fisher_randomization_test)
    share, _ = test(*values.T, n_permutations=500)
    p, _ = permute(values[:, None], [(0, 1)])
    assert p.item() == pytest.approx(share, abs=0.05)


def test_the_bootstrap_agrees_with_scipy_and_theory():
    values = np.random.default_rng(3).exponential(size=(400, 2))
    means = bootstrap(values, np.ones(400))
    assert means.std(0) == pytest.approx(values.std(0) / 20, rel=0.03)
    other = stats.bootstrap(
        (values[:, 0], values[:, 1]), lambda a, b, axis=-1: (a - b).mean(axis), paired=True, method="percentile", rng=0
    ).confidence_interval
    evidence = judge(sample(values), [(0, 1)])
    ours = [evidence.difference_low.item(), evidence.difference_high.item()]
    assert ours == pytest.approx(list(other), abs=0.01)
    assert evidence.d_z.item() == pytest.approx(stats.ttest_rel(*values.T).statistic / 20)


def test_holm_adjusts_as_its_definition_says():
    assert adjust_holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert adjust_holm(np.array([0.9, 0.5])) == pytest.approx([1, 1])


def test_rows_that_are_equal_differ_in_nothing():
    values = np.random.default_rng(0).random((300, 1))
    evidence = judge(sample(np.hstack([values, values])), [(0, 1)])
    assert evidence.p.item() == 1 and evidence.d_z.item() == 0 and evidence.sign(0, 0, 1) == 0


def test_a_lead_is_a_sign_from_either_side():
    values = np.random.default_rng(0).normal(size=(300, 2)) + [0.5, 0]
    evidence = judge(sample(values), [(0, 1)])
    assert (evidence.sign(0, 0, 1), evidence.sign(0, 1, 0)) == (1, -1)


def test_few_events_show_nothing_and_one_no_interval():
    evidence = judge(sample([[1, 0]] * 5), [(0, 1)])
    assert evidence.p.item() == evidence.resolution == 2 / 2**5 and evidence.sign(0, 0, 1) == 0
    assert np.isnan(judge(sample([[1, 0]]), [(0, 1)]).low).all()


def test_more_comparisons_have_more_flips_so_that_the_smallest_p_can_pass():
    values = np.random.default_rng(0).normal(size=(40, 33)) + [3, *[0] * 32]
    pairs = pair_rows("each", [("a", str(r)) for r in range(33)], [])
    evidence = judge(sample(values), pairs)
    assert evidence.resolution * len(pairs) < LEVEL and evidence.sign(0, 0, 1) == 1


# --------------------------------------------------------------------- families

ROWS = [("popularity", "id"), ("sasrec", "id"), ("sasrec", "pte"), ("biasmf", "pte")]


def test_a_family_is_what_a_table_declares():
    assert pair_rows("id", ROWS, ["id"]) == [(2, 1)]
    assert len(pair_rows("best_other", ROWS, ["id"])) == len(pair_rows("each", ROWS, ["id"])) == 6
    means = [0.1, 0.4, 0.3, 0.2]
    assert find_rivals("id", ROWS, ["id"], means) == [[], [], [1], []]
    assert find_rivals("best_other", ROWS, ["id"], means) == [[1], [2], [1], [1]]
    assert find_rivals("each", ROWS[:2], ["id"], means) == [[1], [0]]
    assert find_rivals("best_other", ROWS[:1], ["id"], means) == [[]] and pair_rows("each", ROWS[:1], []) == []


def test_rows_that_leak_and_rows_that_do_not_are_never_a_pair_and_pay_for_none_of_the_others():
    means, leaks = [0.1, 0.4, 0.3, 0.2], {2, 3}
    for compare in ("best_other", "each"):
        assert pair_rows(compare, ROWS, ["id"], leaks) == [(0, 1), (2, 3)]
        assert find_rivals(compare, ROWS, ["id"], means, leaks) == [[1], [0], [3], [2]]
    assert pair_rows("id", ROWS, ["id"], leaks) == [] and find_rivals("id", ROWS, ["id"], means, leaks) == [[]] * 4
    assert find_rivals("best_other", ROWS, ["id"], means, {1}) == [[2], [], [3], [2]]
    values = np.random.default_rng(3).normal([0, 0.15, 0.3, 0.5, 1, 2], 1, (40, 6))
    rows, leaks = [("a", str(row)) for row in range(6)], {3, 4, 5}
    together = judge(sample(values), pair_rows("each", rows, [], leaks), leaks=leaks)
    for part in (slice(0, 3), slice(3, 6)):
        alone, own = judge(sample(values[:, part]), pair_rows("each", rows[part], [])), [0, 1, 2]
        own = [place for place, (one, _) in enumerate(together.pairs) if part.start <= one < part.stop]
        assert len(own) == 3 and alone.p_holm.min() < 1
        np.testing.assert_allclose(together.p_holm[:, own], alone.p_holm)


def errors(compare, draw, tables=300):
    """Return the share of tables of rows alike with a mark anywhere, and the share of rows marked."""
    random, false, marked = np.random.default_rng(7), 0, 0
    for _ in range(tables):
        values = draw(random)
        evidence = judge(sample(values), pair_rows(compare, ROWS, ["id"]))
        others = find_rivals(compare, ROWS, ["id"], list(values.mean(0)))
        signs = [evidence.sign(0, row, o) for row, other in enumerate(others) for o in other]
        false += any(signs)
        marked += sum(map(abs, signs))
    return false / tables, marked / tables / len(ROWS)


def hits(random):
    """Reciprocal ranks within ten of rows alike: most events are zero for all, as in a table."""
    easy = random.random((120, 1)) < 0.3
    return np.where(easy & (random.random((120, 4)) < 0.5), 1 / random.integers(1, 11, (120, 4)), 0)


@pytest.mark.parametrize("compare", ["best_other", "id", "each"])
@pytest.mark.parametrize("draw", [hits, lambda random: random.normal(size=(60, 4))], ids=["ranks", "normal"])
def test_the_error_of_a_family_is_at_most_five_percent(monkeypatch, compare, draw):
    monkeypatch.setattr("ptebench.report.significance.DRAWS", 500)
    share, _ = errors(compare, draw)
    assert share <= LEVEL + 2 * (LEVEL * (1 - LEVEL) / 300) ** 0.5
    if compare == "id":
        assert share > 0.01, "one comparison errs about as often as it says"


# ------------------------------------------------------------------------ units


def test_a_users_events_are_one_unit_and_many_users_share_blocks():
    assert assign_units(np.array([7, 3, 7])).tolist() == [1, 0, 1]
    blocks = assign_units(np.arange(3 * UNITS))
    assert len(set(blocks)) == UNITS and np.bincount(blocks).max() == 3


def test_blocks_of_users_change_no_conclusion():
    random = np.random.default_rng(5)
    values = random.exponential(size=(60_000, 2)) + [0.01, 0]
    block = assign_units(np.arange(60_000))
    sums = np.stack([np.bincount(block, weights=v) for v in values.T], 1)[:, None]
    evidence = judge(Sample(sums, np.bincount(block).astype(float), values.std(0)[None]), [(0, 1)])
    single = stats.ttest_rel(*values.T)
    assert evidence.p.item() == pytest.approx(single.pvalue, abs=0.02)
    assert evidence.d_z.item() == pytest.approx(single.statistic / 60_000**0.5, rel=0.03)
    width = evidence.difference_high - evidence.difference_low
    assert width.item() == pytest.approx(2 * 1.96 * (values[:, 0] - values[:, 1]).std() / 60_000**0.5, rel=0.03)


def test_repeated_events_of_a_user_count_once():
    values = np.random.default_rng(6).normal(size=(30, 2)) + [0.4, 0]
    once = judge(sample(values), [(0, 1)])
    twice = judge(sample(values * 2, np.full(30, 2.0)), [(0, 1)])
    assert twice.p.item() == once.p.item() and twice.low == pytest.approx(once.low)
    assert twice.d_z.item() * 60**0.5 == pytest.approx(once.d_z.item() * 30**0.5)


# ------------------------------------------------------------------------ ranks


def write_ranks(path, ranks, event=None):
    count = len(ranks)
    columns = {"event": event or range(count), "ranking": "full", "user": range(count), "target": 1, "rank": ranks,
               "targets": 1, "candidates": 100}  # fmt: skip
    write_table(pl.DataFrame(columns, schema=RANKS), path, RANKS)
    return path


def read_mrr(ranks):
    return read_values(ranks, None, ["MRR@10"], ["full", "none"], None, None)


def test_samples_average_seeds_per_event_and_know_groups(tmp_path):
    groups = tmp_path / "groups.parquet"
    write_table(pl.DataFrame({"event": [1, 2], "group": "tail"}, schema=GROUPS), groups, GROUPS)
    files = [(write_ranks(tmp_path / f"{n}.parquet", r),) for n, r in enumerate([[1, 50, 2], [1, 1, 50], [2, 2, 2]])]
    methods = [["sasrec", "id", [0, 1]], ["popularity", "id", [0]]]
    read = collect_samples(
        methods, ["MRR@10"], ["full", "none"], (["overall", "tail", "head"], groups), files, read_mrr
    )
    assert set(read) == {("full", "overall"), ("full", "tail")}
    assert read["full", "overall"].sums[:, 0].tolist() == [[1, 0.5], [0.5, 0.5], [0.25, 0.5]]
    assert read["full", "tail"].sums[:, 0].tolist() == [[0.5, 0.5], [0.25, 0.5]]
    assert read["full", "overall"].sd[0] == pytest.approx([np.std([1, 0.5, 0.25], ddof=1), 0])


def test_rows_of_other_events_are_refused(tmp_path):
    groups = tmp_path / "groups.parquet"
    write_table(pl.DataFrame({"event": [], "group": []}, schema=GROUPS), groups, GROUPS)
    files = [(write_ranks(tmp_path / "a.parquet", [1, 2]),), (write_ranks(tmp_path / "b.parquet", [1, 2], [0, 5]),)]
    methods = [["sasrec", "id", [0]], ["popularity", "id", [0]]]
    with pytest.raises(InputError, match=r"b.parquet: ranking 'full' is of other events than .*a.parquet"):
        collect_samples(methods, ["MRR@10"], ["full"], (["overall"], groups), files, read_mrr)
