"""Metrics from ranks: against two public evaluators, by their own laws, and what the audit refuses."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptebench.files import GROUPS, METRICS, RANKS, InputError, read_table, write_json, write_table
from ptebench.job import Job
from ptebench.report.checks import check_metrics
from ptebench.report.metrics import average_events, event_values, find_partitions
from workflow_scripts.metrics import main as metrics

KS = [1, 3, 5, 10]
# our names and those of trec_eval
PEERS = [("HR", "success"), ("Recall", "recall"), ("Precision", "P"), ("NDCG", "ndcg_cut"), ("MAP", "map_cut")]


def ranks_frame(ranks, targets, items, ranking="full"):
    """Return RANKS of events with `targets[e]` targets each."""
    event = np.repeat(np.arange(len(targets)), targets)
    each = np.repeat(targets, targets)
    columns = {"event": event, "user": event + 1, "target": event + 1, "rank": np.asarray(ranks, float),
               "targets": each, "candidates": [items] * len(event)}  # fmt: skip
    frame = pl.DataFrame(columns, strict=False).with_columns(pl.lit(ranking).alias("ranking"))
    return frame.select(pl.col(name).cast(kind) for name, kind in RANKS.items())


def groups_frame(**members):
    rows = [(event, name) for name, events in members.items() for event in events]
    return pl.DataFrame(rows, schema=GROUPS, orient="row")


NONE = groups_frame()


def draw(seed, events, items, most):
    """Return scores without ties, target lists and the ranks RANKS holds, made by sorting."""
    random = np.random.default_rng(seed)
    scores = np.stack([random.permutation(items) for _ in range(events)]).astype(float)
    targets = [np.sort(random.choice(items, random.integers(1, most + 1), replace=False)) for _ in range(events)]
    order = np.argsort(np.argsort(-scores, axis=1), axis=1) + 1
    ranks = np.concatenate([order[e][t] for e, t in enumerate(targets)])
    return scores, targets, ranks_frame(ranks, [len(t) for t in targets], items)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), events=st.integers(1, 12), most=st.integers(1, 6))
def test_equals_trec_eval(seed, events, most):
    import pytrec_eval

    scores, targets, ranks = draw(seed, events, 30, most)
    truth = {str(e): {f"i{t}": 1 for t in wanted} for e, wanted in enumerate(targets)}
    run = {str(e): {f"i{i}": float(s) for i, s in enumerate(row)} for e, row in enumerate(scores)}
    cuts = ",".join(map(str, KS))
    found = pytrec_eval.RelevanceEvaluator(
        truth, {f"success.{cuts}", f"recall.{cuts}", f"ndcg_cut.{cuts}", f"P.{cuts}", f"map_cut.{cuts}", "recip_rank"}
    ).evaluate(run)
    values = event_values(ranks, [*KS, 30])
    for k in KS:
        for ours, theirs in PEERS:
            expected = [found[str(e)][f"{theirs}_{k}"] for e in range(events)]
            np.testing.assert_allclose(values[f"{ours}@{k}"], expected, atol=1e-9)
    np.testing.assert_allclose(values["MRR@30"], [found[str(e)]["recip_rank"] for e in range(events)], atol=1e-9)


@pytest.fixture(scope="module")
def ranx():
    """The evaluator ranx, interpreted: compiling it takes half a minute."""
    import numba

    numba.config.DISABLE_JIT = True
    import ranx

    yield ranx
    numba.config.DISABLE_JIT = False


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), events=st.integers(1, 12), most=st.integers(1, 6))
def test_equals_ranx(ranx, seed, events, most):
    scores, targets, ranks = draw(seed, events, 30, most)
    truth = {str(e): {f"i{t}": 1 for t in wanted} for e, wanted in enumerate(targets)}
    run = {str(e): {f"i{i}": float(s) for i, s in enumerate(row)} for e, row in enumerate(scores)}
    names = {f"{ours}@{k}": f"{theirs}@{k}" for k in KS
             for ours, theirs in (("HR", "hit_rate"), ("Recall", "recall"), ("Precision", "precision"),
                                  ("NDCG", "ndcg"), ("MAP", "map"), ("MRR", "mrr"))}  # fmt: skip
    found = ranx.evaluate(ranx.Qrels(truth), ranx.Run(run), list(names.values()))
    ours = average_events(event_values(ranks, KS), NONE)
    for metric, k, value in ours.select("metric", "k", "value").iter_rows():
        assert value == pytest.approx(found[names[f"{metric}@{k}"]], abs=1e-9)


def test_oracle_is_one_with_one_or_several_targets():
    for ranks, targets in (([1, 1, 1], [1, 1, 1]), ([1, 2, 3, 1], [3, 1]), ([2, 2, 2], [3])):
        values = event_values(ranks_frame(ranks, targets, 9), [3, 5])
        assert values["Recall@5"].to_list() == [1] * len(targets)
        assert (values["NDCG@3"] <= 1).all()
    assert event_values(ranks_frame([1, 2, 3, 1], [3, 1], 9), [3])["NDCG@3"].to_list() == pytest.approx([1, 1])


def test_hit_rate_asks_for_any_target_and_recall_for_all():
    values = event_values(ranks_frame([2, 9, 9, 1, 5, 7], [3, 1, 2], 9), [3])
    assert values["HR@3"].to_list() == [1, 1, 0]
    assert values["Recall@3"].to_list() == pytest.approx([1 / 3, 1, 0])
    assert values["MRR@3"].to_list() == [0.5, 1, 0]


def test_constant_scorer_gains_nothing():
    values = event_values(ranks_frame([50.5] * 4, [1] * 4, 100), [1, 10, 50])
    assert values.select(pl.sum_horizontal(pl.col("^.*@.*$")).sum()).item() == 0


def test_popularity_equals_an_independent_loop():
    """Tied counts and all: ranks by rank_events, metrics from here, against comparisons one by one."""
    import torch

    from ptebench.recommenders.ranking import rank_events

    random = np.random.default_rng(0)
    items, events = 40, 60
    counts = np.concatenate([[0], random.integers(0, 5, items)])
    targets = random.integers(1, items + 1, events)
    given = {"targets": torch.from_numpy(targets), "target_offsets": torch.arange(events + 1),
             "history": torch.zeros(0, dtype=torch.int64), "history_offsets": torch.zeros(events + 1).long(),
             "candidates": None, "remove_seen": False}  # fmt: skip
    scores = torch.from_numpy(counts).float().expand(events, -1)
    ranks, _ = rank_events(lambda start, stop: scores[start:stop], given, items)
    values = average_events(event_values(ranks_frame(ranks.numpy(), [1] * events, items), [10]), NONE)
    recall = ndcg = mrr = 0.0
    for target in targets:
        rank = 1.0
        for item in range(1, items + 1):
            if counts[item] > counts[target]:
                rank += 1
            elif item != target and counts[item] == counts[target]:
                rank += 0.5
        if rank <= 10:
            recall, ndcg, mrr = recall + 1, ndcg + 1 / np.log2(rank + 1), mrr + 1 / rank
    sums = {"HR": recall, "Recall": recall, "Precision": recall / 10, "NDCG": ndcg, "MAP": mrr, "MRR": mrr}
    found = dict(values.select("metric", "value").iter_rows())
    assert found == pytest.approx({metric: whole / events for metric, whole in sums.items()}, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), events=st.integers(2, 40))
def test_laws_hold_for_any_ranks_of_one_target(seed, events):
    random = np.random.default_rng(seed)
    ranks = random.integers(2, 40, events) / 2
    cut = int(random.integers(1, events))
    groups = groups_frame(item_head=range(cut), item_tail=range(cut, events), odd=range(0, events, 3))
    values = event_values(ranks_frame(ranks, [1] * events, 30), KS)
    found = find_partitions(values, groups)
    assert ("full", ["item_head", "item_tail"]) in found
    check_metrics(average_events(values, groups), {"full"}, found)


def test_partitions_are_found_whatever_the_names():
    values = event_values(ranks_frame([1] * 6, [1] * 6, 9), [1])
    groups = groups_frame(
        bin_1=[0, 1],
        bin_2=[2, 3],
        bin_3=[4, 5],
        bin_head_compat=range(2),
        bin_tail_compat=range(2, 6),
        known=[0, 1, 2],
        new=[3, 4, 5],
        tied=[0, 1],
        untied=[2, 3],
        all=range(6),
    )
    found = [set(names) for _, names in find_partitions(values, groups)]
    assert {"bin_head_compat", "bin_tail_compat"} in found
    assert {"bin_1", "bin_2", "bin_3"} in found and {"known", "new"} in found and {"all"} in found
    assert {"tied", "untied"} not in found


def test_groups_are_means_of_their_events():
    values = event_values(ranks_frame([1, 2, 4, 30], [1] * 4, 30), [3])
    frame = average_events(values, groups_frame(a=[0, 3], b=[1]))
    recall = {
        g: (v, n) for g, m, v, n in frame.select("group", "metric", "value", "events").iter_rows() if m == "Recall"
    }
    assert recall == {"overall": (0.5, 4), "a": (0.5, 2), "b": (1.0, 1)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.with_columns(rank=pl.lit(0.5)), "rank 0.5 is outside"),
        (lambda f: f.with_columns(rank=pl.lit(float("nan"))), "rank nan is outside"),
        (lambda f: f.with_columns(rank=pl.lit(99.0)), "rank 99.0 is outside"),
        (lambda f: f.head(-1), "1 ranks for 2 targets"),
    ],
)
def test_ranks_that_cannot_be_are_refused(change, message):
    frame = ranks_frame([1, 2, 3, 4], [2, 2], 9)
    with pytest.raises(InputError, match=message):
        event_values(change(frame), KS)


def test_groups_of_another_split_are_refused():
    values = event_values(ranks_frame([1], [1], 9), KS)
    with pytest.raises(InputError, match="event 7"):
        average_events(values, groups_frame(a=[7]))


def set_value(frame, metric, k, value, group="overall"):
    at = (pl.col("metric") == metric) & (pl.col("k") == k) & (pl.col("group") == group)
    return frame.with_columns(pl.when(at).then(pl.lit(value)).otherwise("value").alias("value"))


@pytest.mark.parametrize(
    ("metric", "k", "value", "group", "message"),
    [
        ("NDCG", 10, 0.0, "overall", "NDCG@10 = 0.0 is lower than at the next smaller K"),
        ("MRR", 10, 0.0, "overall", "MRR@10 = 0.0 is lower than at the next smaller K"),
        ("MRR", 10, 0.99, "overall", "is lower than MRR"),
        ("NDCG", 10, 0.99, "overall", "is lower than NDCG"),
        ("HR", 10, 0.99, "overall", "Recall@10 = 0.8 is lower than HR"),
        ("HR", 10, 0.5, "overall", "HR@10 = 0.5 is lower than"),
        ("Recall", 10, 1.5, "overall", "outside 0 .. 1"),
        ("Recall", 10, float("nan"), "overall", "outside 0 .. 1"),
        ("Precision", 1, 0.3, "a", "is not the weighted mean of a, b"),
    ],
)
def test_audit_refuses(metric, k, value, group, message):
    ranks = [1, 2, 4, 30, 7]
    values, groups = event_values(ranks_frame(ranks, [1] * 5, 30), KS), groups_frame(a=[0, 1, 2], b=[3, 4])
    frame = average_events(values, groups)
    check_metrics(frame, {"full"}, find_partitions(values, groups))
    with pytest.raises(InputError, match=message):
        check_metrics(set_value(frame, metric, k, value, group), {"full"}, find_partitions(values, groups))


def test_ndcg_may_fall_with_k_where_targets_are_several():
    frame = average_events(event_values(ranks_frame([1, 9, 8], [3], 9), [1, 3]), NONE)
    assert frame.filter(metric="NDCG")["value"].is_sorted(descending=True)
    check_metrics(frame)
    with pytest.raises(InputError, match="NDCG@3"):
        check_metrics(frame, {"full"})


def test_scripts(tmp_path, capsys):
    """Two rankings, one with several targets an event, of two cells, in the order given."""
    one, many = ranks_frame([1, 2.5, 9], [1, 1, 1], 9), ranks_frame([1, 2, 3], [1, 2], 5, "zero_shot")
    many = many.with_columns(pl.col("event") + 3)
    write_table(pl.concat([one, many]), tmp_path / "ranks.parquet", RANKS)
    write_table(groups_frame(x_a=[0, 3], x_b=[1, 2, 4]), tmp_path / "groups.parquet", GROUPS)
    write_json({"width": 384, "parameters": 1234, "seed": 1}, tmp_path / "r.json")
    inputs = {"ranks": [tmp_path / "ranks.parquet"] * 2, "records": [tmp_path / "r.json"] * 2}
    inputs["groups"] = [tmp_path / "groups.parquet"]
    cell = {"dataset": "d", "protocol": "p", "backbone": "b", "representation": "r", "text": "card"}
    spec = {"cells": [cell | {"seed": seed} for seed in (1, 0)], "ks": [5, 1]}
    metrics(Job(spec, inputs, {"metrics": tmp_path / "all.csv"}, code="", threads=1))
    frame = read_table(tmp_path / "all.csv", METRICS)
    assert frame["seed"].unique(maintain_order=True).to_list() == [1, 0]
    assert frame.height == 2 * 2 * 3 * 2 * 6  # seeds, rankings, groups, Ks, metrics
    row = frame.filter(seed=0, ranking="zero_shot", group="overall", metric="Recall", k=5).row(0, named=True)
    assert row["value"] == 1 and row["events"] == 2
    of_rankings = frame.select("ranking", "targets").unique().rows()
    assert sorted(of_rankings) == [("full", "one"), ("zero_shot", "several")]
    (note,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("note: "))
    assert note == (
        "note: d, p: @5 of ranking zero_shot: 2 of 2 events have at most 5 candidates (fewest 5), and whatever stands "
        "among them is a hit"
    ), "once for all cells, and of ranking full, with nine candidates, nothing"
