"""The auditor finds what is wrong in printed tables, and nothing else."""

import subprocess
import sys
from math import log2

import polars as pl
import pytest

from ptebench.errors import InputError
from ptebench.report.audit import breach_frame, compare, page
from ptebench.report.laws import breaches, shares
from ptebench.report.printed import read_printed
from tests.conftest import REPOSITORY

PAPERS = REPOSITORY / "ptebench/report/papers"
RESULTS = REPOSITORY / "docs/results"


def paper(name):
    return read_printed(PAPERS / f"{name}.csv")


def found(name, law):
    return [(b.line, b.row, b.cells) for b in breaches(paper(name)) if b.law == law]


def table(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text)
    return read_printed(path)


def laws_broken(tmp_path, text):
    return [b.law for b in breaches(table(tmp_path, text))]


def test_the_study_s_own_method_falls_with_k_four_times():
    assert [(row, cells[0]) for _, row, cells in found("pte_table_3", "falls with K")] == [
        ("Sports, SASRec, PtE", "MRR@10"),
        ("Movies, DreamRec, PtE", "MRR@10"),
        ("Sports, DreamRec, PtE", "NDCG@10"),
        ("Sports, DreamRec, PtE", "MRR@10"),
    ]


def test_ndcg_and_mrr_of_the_study_s_own_method_contradict_each_other_twice_more():
    rows = [row for _, row, _ in found("pte_table_3", "metrics contradict each other")]
    assert rows == ["Toys, SASRec, PtE", "Toys, DreamRec, PtE"]


def test_the_study_s_own_rows_break_the_identity_of_groups_and_one_baseline_cell_slips():
    broken = found("pte_table_4", "groups do not add up")
    assert {row for _, row, _ in broken if "PtE" in row} == {
        f"{d}, overall, PtE" for d in ("Yelp", "Fashion", "Beauty")
    }
    assert [(row, cells) for _, row, cells in broken if "PtE" not in row] == [
        ("Yelp, overall, AlphaFuse", ("Recall@10",))
    ]
    assert len(broken) == len(breaches(paper("pte_table_4"))), "improvements follow, nothing else is broken"


def test_no_baseline_of_table_3_breaks_a_law():
    assert all(b.row.endswith(", PtE") for b in breaches(paper("pte_table_3")))


def test_groups_tell_the_shares_of_the_data():
    middle = {(s.data[0][1], s.groups[0]): (s.low + s.high) / 2 for s in shares(paper("pte_table_4"))}
    assert middle == pytest.approx({
        ("Yelp", "item: tail"): 0.227, ("Fashion", "item: tail"): 0.285, ("Beauty", "item: tail"): 0.193,
        ("Yelp", "user: tail"): 0.795, ("Fashion", "user: tail"): 0.565, ("Beauty", "user: tail"): 0.820,
    }, abs=0.001)  # fmt: skip


def test_a_third_of_the_readme_s_improvements_follow_and_a_third_of_its_values_differ():
    assert len(found("pte_readme_table_4", "improvement does not follow")) == 20  # of 30
    lines = compare(paper("pte_readme_table_4"), paper("pte_table_4"))
    assert lines[0] == "42 of 120 values of pte_readme_table_4 differ from pte_table_4."


def test_exchanged_columns_are_found():
    broken = breaches(paper("reclm"))
    assert {b.row for b in broken} == {
        f"{setting}, Industrial, NCF, {method}" for setting in ("full", "zero_shot") for method in ("Base", "RecLM")
    }
    assert all("with Recall@40 and NDCG@20 exchanged" in b.finding for b in broken)


@pytest.mark.parametrize("law, rows", [
    ("impossible value", "a,1.2,1.2"),
    ("duplicate row", "a,0.1,0.2\na,0.1,0.3"),
    ("falls with K", "a,0.3,0.2"),
])  # fmt: skip
def test_one_fault_breaks_one_law(tmp_path, law, rows):
    assert set(laws_broken(tmp_path, f"method,HR@5,HR@10\n{rows}\n")) == {law}


def test_rows_of_the_same_values_are_found_unless_they_are_zero(tmp_path):
    head = "method,HR@5,HR@10,HR@20\n"
    assert laws_broken(tmp_path, f"{head}a,0.1,0.2,0.3\nb,0.1,0.2,0.3\n") == ["duplicate row"]
    assert laws_broken(tmp_path, f"{head}a,0,0,0\nb,0,0,0\n") == []
    assert laws_broken(tmp_path, f"{head}a,0.1,0.2,0.3\nb,0.1,0.2,0.31\n") == []


def test_a_hit_rate_is_a_share_of_its_events(tmp_path):
    assert laws_broken(tmp_path, "method,events,HR@5\na,7,0.4286\n") == []
    assert laws_broken(tmp_path, "method,events,HR@5\na,7,0.4300\n") == ["impossible value"]


def test_hit_rate_ndcg_and_mrr_bound_each_other(tmp_path):
    head, law = "method,HR@10,NDCG@10,MRR@10\n", "metrics contradict each other"
    assert laws_broken(tmp_path, f"{head}all first,0.5000,0.5000,0.5000\n") == []
    assert laws_broken(tmp_path, f"{head}all tenth,0.5000,0.1445,0.0500\n") == []
    assert law in laws_broken(tmp_path, f"{head}a,0.5000,0.5002,0.5000\n")
    assert law in laws_broken(tmp_path, f"{head}a,0.5000,0.1442,0.0500\n")
    assert law in laws_broken(tmp_path, f"{head}a,0.5000,0.3000,0.3003\n")


def test_metrics_of_true_ranks_break_no_law_at_any_rounding(tmp_path):
    ranks = [(7 * event * event + 3) % 40 + 1 for event in range(97)]
    gains = {"HR": lambda r: 1.0, "NDCG": lambda r: 1 / log2(r + 1), "MRR": lambda r: 1 / r}
    columns = {f"{m}@{k}": sum(g(r) for r in ranks if r <= k) / 97 for m, g in gains.items() for k in (1, 3, 5, 10, 20)}
    for digits in (1, 2, 4, 10):
        values = ",".join(f"{value:.{digits}f}" for value in columns.values())
        assert laws_broken(tmp_path, f"method,events,{','.join(columns)}\na,97,{values}\n") == []


def test_several_targets_hold_ndcg_to_nothing(tmp_path):
    rows = "a,{},0.1000,0.2000,0.3000,0.2500\n"
    head = "method,targets,R@5,R@10,N@5,N@10\n"
    assert laws_broken(tmp_path, head + rows.format("several")) == []
    assert "falls with K" in laws_broken(tmp_path, head + rows.format("one"))


def test_an_improvement_is_held_to_its_digits(tmp_path):
    rows = "method,HR@5\nbase,0.20\nother,0.25\nours,0.30\nBest Impr.,{}\n"
    assert laws_broken(tmp_path, rows.format("+20.0%")) == []
    assert laws_broken(tmp_path, rows.format("+50.0%")) == ["improvement does not follow"]


def test_a_table_with_a_row_a_value_is_read_as_ours_are(tmp_path):
    text = "dataset,ranking,group,backbone,representation,metric,k,seeds,mean,low,events,provenance\n"
    text += "shop,full,overall,sasrec,id,HR,5,2,0.255,,100,x\nshop,full,overall,sasrec,id,HR,10,2,0.250,,100,x\n"
    (row,) = table(tmp_path, text).rows
    assert (str(row), row.events, row.values) == (
        "shop, full, overall, sasrec, id",
        200,
        {("HR", 5): 0.255, ("HR", 10): 0.25},
    )
    assert laws_broken(tmp_path, text) == ["falls with K"]


@pytest.mark.parametrize("name", [p.stem for p in sorted(RESULTS.glob("*.csv")) if ",event_sd," in p.read_text()])
def test_our_own_tables_break_no_law(name):
    assert breaches(read_printed(RESULTS / f"{name}.csv")) == []


def test_our_own_tables_say_which_events_have_several_targets():
    rows = read_printed(RESULTS / "verdict_mind.csv").rows + read_printed(RESULTS / "verdict_toys.csv").rows
    assert {(row.labels["protocol"] == "snapshot", row.single) for row in rows} == {(True, False), (False, True)}


def test_metrics_of_lists_obey_no_law_and_are_passed_over(tmp_path):
    text = (
        "backbone,representation,metric,k,mean\nsasrec,id,HR,5,0.2\nsasrec,id,Novelty,5,7.5\nsasrec,id,Coverage,5,0.9\n"
    )
    (row,) = table(tmp_path, text).rows
    assert row.values == {("HR", 5): 0.2}


@pytest.mark.parametrize("text, expected", [
    ("a,b\n1,2\n", "no column such as NDCG@10"),
    ("method,HR@5\na,no\n", "line 2, HR@5: 'no' is no number"),
    ("method,HR@5\na\n", "line 2: expected 2 columns"),
    ("method,AUC@5\na,1\n", "AUC@5: no metric"),
    ("method,metric,k,value\na,HR,5,0.1\na,HR,5,0.2\n", "given twice"),
])  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused_with_its_place(tmp_path, text, expected):
    with pytest.raises(InputError, match=expected):
        table(tmp_path, text)


def test_the_page_has_every_breach_and_every_law():
    tables = [paper(path.stem) for path in sorted(PAPERS.glob("*.csv"))]
    frame, text = breach_frame(tables), page(tables)
    assert frame["table"].unique().len() == 4 and frame.filter(pl.col("finding") == "").is_empty()
    assert all(finding in text for finding in frame["finding"]) and text.count("- **") == 6


def test_the_command_says_by_its_status_whether_a_law_is_broken(tmp_path):
    def status(*arguments):
        command = [sys.executable, "-m", "ptebench.report.audit", *map(str, arguments)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)

    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("method,HR@5,HR@10\na,10.00,20.00\n")
    bad.write_text("method,name\na,1\n")
    assert status(good, "--percent").returncode == 0
    assert status(good).returncode == 1
    done = status(bad)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith(f"error: {bad}: no column")
