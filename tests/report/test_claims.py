"""Claims of a table: what holds is said to hold, with its interval, and what does not, not."""

import polars as pl
import pytest

from ptebench.config.read import resolve
from ptebench.files import GROUPS, METRICS, RANKS, InputError, read_table, write_table
from ptebench.report.claims import chance, check_claims
from ptebench.report.metrics import average_events, event_values
from ptebench.report.significance import collect_evidence
from ptebench.report.tables import build, build_comparisons, read_published
from tests.report.test_tables import PUBLISHED, SPEC
from tests.test_config import with_table

EVENTS, ITEMS = 80, 40
METHODS = ["good.id", "bad.id", "bad.mean"]


@pytest.fixture
def finished(tmp_path):
    """Return (spec, table, comparisons, ranks, groups): `good` ranks at 3, `bad` in a random order, twice."""
    order = [float(1 + event * 7 % ITEMS) for event in range(EVENTS)]
    ranks = {"good.id": [3.0] * EVENTS, "bad.id": order, "bad.mean": order[::-1]}
    columns = {"event": range(EVENTS), "user": range(EVENTS), "ranking": "full", "target": 1, "targets": 1}
    groups = write(tmp_path / "groups.parquet", pl.DataFrame({"event": [0, 1], "group": ["few", "few"]}), GROUPS)
    files, metrics, cells = [], [], []
    for method, values in ranks.items():
        backbone, representation = method.split(".")
        frame = pl.DataFrame(columns | {"candidates": ITEMS, "rank": values}, schema_overrides=RANKS).select(*RANKS)
        files.append(write(tmp_path / f"{method}.parquet", frame, RANKS))
        found = average_events(event_values(frame, [10]), read_table(groups, GROUPS))
        place = {
            "dataset": "toys",
            "protocol": "cold",
            "backbone": backbone,
            "representation": representation,
            "seed": 0,
        }
        beside = {"targets": "one", "text": None, "width": 0, "parameters": 1}
        metrics.append(found.with_columns(pl.lit(v).alias(k) for k, v in (place | beside).items()))
        cells.append(["toys", "cold", backbone, representation, [0]])
    spec = SPEC | {"cells": cells, "groups": ["overall"], "metrics": ["Recall@10", "NDCG@10"]}
    evidence = collect_evidence(spec, {"ranks": files, "groups": [groups]})
    every = pl.concat(metrics).select(pl.col(name).cast(kind) for name, kind in METRICS.items())
    table = build(spec, every, read_published(PUBLISHED), evidence)
    return spec, table, build_comparisons(spec, evidence), files, [groups]


def write(path, frame, contract):
    write_table(frame.select(pl.col(name).cast(kind) for name, kind in contract.items()), path, contract)
    return path


def claim(row, above=None, metric="Recall@10"):
    because = "it was planted"
    return {"row": row, "above": above, "metric": metric, "ranking": "full", "group": "overall", "because": because}


@pytest.mark.parametrize(
    "given, said",
    [
        (claim("good.id", "bad.id"), "As expected: yes. good.id is above bad.id by 0.7500 ["),
        (claim("bad.id", "good.id"), "As expected: no. bad.id is not above good.id: -0.7500 ["),
        (claim("bad.id", "bad.mean"), "As expected: no. bad.id is not above bad.mean: 0.0000 ["),
        (claim("bad.id"), "As expected: yes. bad.id is at 0.2500 ["),
        (claim("good.id"), "As expected: no. good.id is at 1.0000 [1.0000, 1.0000], a random order at 0.2500"),
    ],
)
def test_a_claim_is_answered_with_its_interval(finished, given, said):
    spec, *rest = finished
    (sentence,) = check_claims(spec | {"claims": [given]}, *rest)
    assert sentence.startswith(said) and sentence.endswith("(Recall@10 of toys, cold): it was planted.")


def test_a_claim_about_a_failed_row_is_not_known_on_that_split(finished):
    spec, *rest = finished
    lost = {"dataset": "toys", "protocol": "cold", "backbone": "lost", "representation": "id"}
    spec |= {"failed": [lost], "claims": [claim("lost.id"), claim("good.id", "lost.id"), claim("good.id", "bad.id")]}
    one, other, whole = check_claims(spec, *rest)
    assert one == other == "As expected: not known. lost.id failed (Recall@10 of toys, cold): it was planted."
    assert whole.startswith("As expected: yes")
    elsewhere = spec | {"failed": [lost | {"backbone": "bad", "dataset": "sports"}], "claims": [claim("bad.id")]}
    assert check_claims(elsewhere, *rest)[0].startswith("As expected: yes")


def test_a_claim_about_rows_that_are_not_compared_is_not_known(finished):
    spec, table, _, ranks, groups = finished
    leaks = {("toys", "cold", "good", "id")}
    pairs = build_comparisons(spec, collect_evidence(spec, {"ranks": ranks, "groups": groups}, leaks))
    assert pairs.select("backbone", "other_backbone").unique().rows() == [("bad", "bad")]
    spec |= {"claims": [claim("good.id", "bad.id"), claim("bad.id", "bad.mean")]}
    one, other = check_claims(spec, table, pairs, ranks, groups)
    said = "good.id and bad.id are not compared, since one of them saw held-out items (Recall@10 of toys, cold)"
    assert one == f"As expected: not known. {said}: it was planted." and other.startswith("As expected: no. bad.id")


def test_chance_is_the_share_of_the_candidates(finished):
    frame = read_table(finished[3][0], RANKS)
    assert chance(frame, "full", None, 10) == 10 / ITEMS and chance(frame, "full", None, 99) == 1
    few = frame.with_columns(candidates=pl.when(pl.col("event") == 0).then(20).otherwise(40).cast(pl.Int64))
    assert chance(few, "full", pl.Series([0, 1]), 10) == pytest.approx((0.5 + 0.25) / 2)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"row": "sasrec.idd"}, "the table has no 'sasrec.idd'; did you mean 'sasrec.id'?"),
        ({"above": "biasmf.pte"}, "the table has no 'biasmf.pte'"),
        ({"metric": "Recall@50"}, "the table has no 'Recall@50'"),
        ({"ranking": "zero_shot"}, "the table has no 'zero_shot'"),
        ({"group": "item_tail"}, "the table has no 'item_tail'"),
        ({"above": None, "metric": "NDCG@10"}, "what a random order has is known of Recall@K"),
    ],
)
def test_a_claim_is_about_its_table(changes, said):
    given = {"row": "sasrec.id", "above": "markov.id", "metric": "NDCG@10", "because": "x"} | changes
    rows = [{"backbones": ["markov", "sasrec"]}]
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        resolve(with_table(rows=rows, claims=[given]), "x")
