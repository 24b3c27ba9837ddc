"""Metrics of lists: values by hand, known answers of floors, and what a table says of them."""

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from ptebench.config import tables
from ptebench.files import GROUPS, LISTS, RANKS, TRAIN, InputError, read_vectors, write_table
from ptebench.files import METRICS as CONTRACT
from ptebench.report.checks import check_metrics
from ptebench.report.lists import LIST_MEANS, LIST_METRICS, OF_ALL, gini, measure_lists
from ptebench.report.rendering import note
from ptebench.report.significance import bootstrap, collect_evidence
from ptebench.report.tables import PUBLISHED, build
from workflow_scripts.metrics import measure

NONE = pl.DataFrame(schema=GROUPS)


def lists_frame(items, pool, ranking="full"):
    columns = {"event": range(len(items)), "ranking": ranking, "user": 1, "items": items, "pool": pool}
    scores = [[1.0 / (n + 1) for n in range(len(row))] for row in items]
    return pl.DataFrame(columns | {"scores": scores}, schema_overrides=LISTS).select(*LISTS)


def train_frame(histories):
    return pl.DataFrame({"user": range(1, len(histories) + 1), "history": histories}, schema=TRAIN)


def value_of(frame, metric, k, group="overall"):
    return frame.filter(metric=metric, k=k, group=group)["value"].item()


TRAIN_FRAME = train_frame([[1, 1, 2], [1, 3], [1], [1, 2]])  # 1: four users of four, 2: two, 3: one, 4 and 5: none


def test_the_values_are_those_computed_by_hand():
    lists = lists_frame([[1, 2, 3], [1, 4, 2], [2]], pool=5)
    vectors = np.array([[9, 9], [2, 0], [0, 3], [1, 1], [-1, 0], [0, 0]], dtype=np.float32)
    found = measure_lists(lists, NONE, [1, 2, 3], TRAIN_FRAME, vectors)
    # of 1: 0 bits; of 2: 1; of 3: 2; of 4, which nobody chose, as of one user: 2
    assert value_of(found, "Novelty", 1) == pytest.approx((0 + 0 + 1) / 3)
    assert value_of(found, "Novelty", 3) == pytest.approx(((0 + 1 + 2) / 3 + (0 + 2 + 1) / 3 + 1) / 3)
    # K = 2: 1 2 | 1 4 | 2: named 1 twice, 2 twice, 4 once, 3 and 5 never
    assert value_of(found, "Coverage", 2) == pytest.approx(3 / 5)
    # (2j - 6) c_j with c = 0 0 1 2 2: 0 + 4 + 8 = 12, over 5 * 5
    assert value_of(found, "Gini", 2) == pytest.approx((0 * 1 + 2 * 2 + 4 * 2) / (5 * 5))
    # cosines: 1 2: 0, 1 3 and 2 3: 1/sqrt(2), 1 4: -1, 2 4: 0; the list of one has no pair
    root = 0.5**0.5
    assert value_of(found, "Diversity", 2) == pytest.approx((1 + 2 + 0) / 3)
    three = (1 + 2 * (1 - root)) / 3, (2 + 1 + 1) / 3, 0
    assert value_of(found, "Diversity", 3) == pytest.approx(sum(three) / 3)
    assert found.filter(metric="Diversity", k=1).is_empty()
    assert found["events"].unique().to_list() == [3]
    check_metrics(found)


def test_an_item_without_a_vector_is_like_no_other():
    vectors = np.array([[0, 0], [1, 0], [1, 0], [0, 0]])
    found = measure_lists(lists_frame([[1, 3], [1, 2]], pool=3), NONE, [2], TRAIN_FRAME, vectors)
    assert value_of(found, "Diversity", 2) == pytest.approx((1 + 0) / 2)


def test_a_group_has_the_metrics_of_its_own_events():
    groups = pl.DataFrame([(0, "tail"), (2, "tail")], schema=GROUPS, orient="row")
    lists = lists_frame([[1, 2], [3, 4], [1, 2]], pool=4)
    found = measure_lists(lists, groups, [2], TRAIN_FRAME)
    assert value_of(found, "Coverage", 2) == 1 and value_of(found, "Coverage", 2, "tail") == 0.5
    assert value_of(found, "Gini", 2, "tail") == pytest.approx((1 * 2 + 3 * 2) / (4 * 4))
    assert value_of(found, "Novelty", 2, "tail") == pytest.approx(0.5)
    assert "Diversity" not in found["metric"]
    check_metrics(found, partitions=[])


def test_gini_is_0_where_all_are_named_alike_and_nearly_1_where_one_is():
    assert gini(np.array([3, 3, 3]), 3) == 0
    assert gini(np.array([7]), 1000) == pytest.approx(0.999)
    assert gini(np.array([], dtype=int), 5) == 0


def test_floors_have_the_values_that_they_must_have():
    random, items, k, events = np.random.default_rng(0), 200, 10, 2000
    popularity = np.sort(random.zipf(1.5, items).clip(max=500))[::-1]
    histories = [[i + 1 for i in range(items) if random.random() < popularity[i] / 600] or [1] for _ in range(600)]
    train = train_frame(histories)
    chosen = np.bincount(np.concatenate(histories), minlength=items + 1)[1:]
    best = lists_frame([list(np.argsort(-chosen, kind="stable")[:k] + 1)] * events, items)
    any_order = lists_frame([(random.permutation(items)[:k] + 1).tolist() for _ in range(events)], items)
    floor, chance = (measure_lists(lists, NONE, [k], train) for lists in (best, any_order))
    assert value_of(floor, "Coverage", k) == k / items
    assert value_of(floor, "Gini", k) == pytest.approx((items - k) / items)
    assert value_of(chance, "Coverage", k) == 1
    # each item is named 100 times, as a Poisson number but for K of N without replacement: the mean difference of two
    # such numbers is 2 sd / sqrt(pi), and Gini half of it over the mean
    sd = (events * k / items * (1 - k / items)) ** 0.5
    assert value_of(chance, "Gini", k) == pytest.approx(sd / (np.pi**0.5 * events * k / items), rel=0.15)
    surprise = -np.log2(chosen.clip(min=1) / len(histories))
    assert value_of(chance, "Novelty", k) == pytest.approx(surprise.mean(), rel=0.02)
    assert value_of(floor, "Novelty", k) == pytest.approx(np.sort(surprise)[:k].mean())


@pytest.mark.parametrize(
    "metric, value, message",
    [("Coverage", 1.2, "outside 0 .. 1"), ("Diversity", 2.1, "outside 0 .. 2"), ("Novelty", float("nan"), "outside 0")],
)
def test_a_value_outside_its_bounds_is_refused(metric, value, message):
    row = {"ranking": "full", "group": "overall", "metric": metric, "k": 5, "value": value, "events": 3}
    with pytest.raises(InputError, match=f"{metric}@5 = .* {message}"):
        check_metrics(pl.DataFrame([row]))


METRICS = ["HR@2", "Novelty@2", "Gini@2", "Diversity@2", "Coverage@2"]
EVENTS = 40


@pytest.fixture
def split(tmp_path):
    """A table of one row with two seeds, and its files."""
    random = np.random.default_rng(0)
    inputs = {"ranks": [], "lists": []}
    for seed in (0, 1):
        items = [(random.permutation(5)[:2] + 1).tolist() for _ in range(EVENTS)]
        columns = {"event": range(EVENTS), "ranking": "full", "user": range(EVENTS), "target": 1, "targets": 1}
        ranks = pl.DataFrame(columns | {"rank": random.integers(1, 5, EVENTS), "candidates": 5}, schema_overrides=RANKS)
        frames = {"ranks": (ranks.select(*RANKS), RANKS), "lists": (lists_frame(items, pool=5), LISTS)}
        for name, (frame, contract) in frames.items():
            inputs[name].append(tmp_path / f"{name}.{seed}.parquet")
            write_table(frame, inputs[name][-1], contract)
    for name, frame, contract in (("groups", NONE, GROUPS), ("train", TRAIN_FRAME, TRAIN)):
        inputs[name] = [tmp_path / f"{name}.parquet"]
        write_table(frame, inputs[name][0], contract)
    inputs["vectors"] = [tmp_path / "item.safetensors"]
    save_file({"vectors": random.normal(size=(6, 3)).astype(np.float32)}, inputs["vectors"][0])
    spec = {"cells": [["d", "p", "sasrec", "id", [0, 1]]], "metrics": METRICS, "rankings": ["full"],
            "groups": ["overall"], "compare": "each", "ids": ["id"]}  # fmt: skip
    return spec, inputs


def test_means_of_lists_over_events_have_the_interval_of_any_mean(split):
    spec, inputs = split
    evidence = collect_evidence(spec, inputs)["d", "p", "full", "overall"]
    each = []
    for path in inputs["lists"]:
        items = pl.read_parquet(path)["items"].to_list()
        bits = np.array([0, 0, 1, 2, 2, 2])  # by TRAIN_FRAME; nobody chose 4 and 5
        each.append([bits[row].mean() for row in items])
    values = np.mean(each, axis=0)
    draws = bootstrap(values[:, None], np.ones(EVENTS))
    place = 1  # after the one metric of ranks
    assert [evidence.low[place, 0], evidence.high[place, 0]] == pytest.approx(np.quantile(draws, [0.025, 0.975]))
    assert evidence.sd[place, 0] == pytest.approx(values.std(ddof=1))
    assert evidence.low[2, 0] < evidence.high[2, 0]  # Diversity
    assert evidence.low.shape == (3, 1) and evidence.p.shape == (1, 0)  # none of lists is tested


def test_an_event_with_ranks_and_no_list_is_refused(split):
    spec, inputs = split
    write_table(pl.read_parquet(inputs["lists"][1]).head(EVENTS - 1), inputs["lists"][1], LISTS)
    with pytest.raises(InputError, match=rf"lists.1.parquet: event {EVENTS - 1} has no list"):
        collect_evidence(spec, inputs)


def test_every_metric_of_lists_is_a_mean_over_events_or_of_all():
    assert {*LIST_MEANS, *OF_ALL} == {*LIST_METRICS} == {*tables.LIST_METRICS} and LIST_MEANS == tables.LIST_MEANS


def test_a_table_says_which_metrics_of_lists_have_an_interval(split):
    spec, inputs = split
    metrics = []
    for seed, path in enumerate(inputs["ranks"]):
        groups, train = NONE, TRAIN_FRAME
        lists = measure_lists(
            pl.read_parquet(inputs["lists"][seed]), groups, [2], train, read_vectors(inputs["vectors"][0])
        )
        found = measure(pl.read_parquet(path), groups, [2], lists)
        place = {"dataset": "d", "protocol": "p", "backbone": "sasrec", "representation": "id", "seed": seed}
        beside = {"text": None, "width": 0, "parameters": 1}
        metrics.append(found.with_columns(pl.lit(v).alias(k) for k, v in (place | beside).items()))
    every = pl.concat(metrics).select(pl.col(name).cast(kind) for name, kind in CONTRACT.items())
    spec |= {"table": "t", "published": {"d": None}, "protocols": {"p": {"kind": "x", "remove_seen": True}}}
    table = build(spec, every, pl.DataFrame(schema=PUBLISHED), collect_evidence(spec, inputs))
    spans = {row["metric"]: row["low"] is not None for row in table.iter_rows(named=True)}
    assert spans == {"HR": True, "Novelty": True, "Gini": False, "Diversity": True, "Coverage": False}
    for row in table.filter(pl.col("low").is_not_null()).iter_rows(named=True):
        assert row["low"] < row["mean"] < row["high"], row["metric"]
    assert "Gini, Coverage: of all lists together, without interval." in note(table)
