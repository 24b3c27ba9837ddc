"""Tables: numbers, marks, intervals, published values, their four forms, and the file of published values."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ptebench.files import GROUPS, METRICS, RANKS, TRAIN, InputError, write_embeddings, write_json, write_table
from ptebench.job import Job
from ptebench.report import html, latex, markdown, references, rendering, statistics, tables
from ptebench.report.captions import write_captions
from ptebench.report.checks import check_metrics
from ptebench.report.names import display
from ptebench.report.rendering import Sheet
from ptebench.report.significance import Sample, collect_evidence, judge, pair_rows
from workflow_scripts.statistics_table import main as statistics_table
from workflow_scripts.table import main as table

PDFLATEX = shutil.which("pdflatex")
CAPTIONS = {"toys, cold": "200 events.", "toys, cold, item_tail": "100 events."}
PUBLISHED = Path(tables.__file__).with_name("published.csv")
SPEC = {
    "table": "demo",
    "title": "Demo & more",
    "metrics": ["HR@10", "NDCG@10"],
    "rankings": ["full"],
    "groups": ["overall", "item_tail"],
    "cells": [
        ["toys", "cold", "popularity", "id", [0]], ["toys", "cold", "sasrec", "id", [0, 1]],
        ["toys", "cold", "sasrec", "pte", [0, 1]],
    ],
    "published": {"toys": "preferdiff-toys"},
    "protocols": {"cold": {"kind": "cold_start_user", "remove_seen": False}},
    "compare": "best_other",
    "ids": ["id"],
    "claims": [],
}  # fmt: skip
VALUES = {("popularity", "id", 0): 0.01, ("sasrec", "id", 0): 0.02, ("sasrec", "id", 1): 0.04,
          ("sasrec", "pte", 0): 0.05, ("sasrec", "pte", 1): 0.07}  # fmt: skip


INPUTS = {"id": (None, 0, 1234), "pte": ("template + card, users", 768, 57664)}


def metrics_frame():
    rows = [
        ("toys", "cold", *cell, "full", group, metric, 10, value * 2 ** (metric == "HR"), 100, "one", *INPUTS[cell[1]])
        for cell, value in VALUES.items()
        for group in ("overall", "item_tail")
        for metric in ("HR", "NDCG")
    ]
    return pl.DataFrame(rows, schema=METRICS, orient="row")


# of 200 events, the values of a method at each K: pte is ahead, popularity and ids differ by chance
EVENTS = np.random.default_rng(0).random((200, 1)) * 0.1 + np.random.default_rng(1).normal(
    [0.02, 0.021, 0.05], 0.01, (200, 3)
)


def evidence_of(spec, leaks=()):
    rows = list(dict.fromkeys((b, r) for _, _, b, r, _ in spec["cells"]))
    sums = np.stack([EVENTS[:, : len(rows)]] * len(spec["metrics"]), 1)
    pairs = pair_rows(spec["compare"], rows, spec["ids"], leaks)
    panel = judge(Sample(sums, np.ones(200), sums.std(0)), pairs, leaks=leaks)
    splits = dict.fromkeys((d, p) for d, p, *_ in spec["cells"])
    return {
        (*split, ranking, group): panel for split in splits for ranking in spec["rankings"] for group in spec["groups"]
    }


@pytest.fixture(scope="module")
def built():
    return tables.build(SPEC, metrics_frame(), tables.read_published(PUBLISHED), evidence_of(SPEC))


def value_of(frame, **where):
    return frame.filter(**where).row(0, named=True)


def test_values_intervals_and_marks(built):
    assert built.height == 3 * 2 * 2
    pte = value_of(built, representation="pte", metric="NDCG", group="overall")
    assert pte["mean"] == pytest.approx(0.06) and pte["seeds"] == 2 and pte["mark"] == "best"
    # the width is of 200 events; of two seeds nothing but their standard deviation is said
    assert pte["high"] - pte["low"] == pytest.approx(2 * 1.96 * EVENTS[:, 2].std() / 200**0.5, rel=0.05)
    assert pte["seed_sd"] == pytest.approx(0.0002**0.5) and pte["events"] == 200
    assert (pte["above"], pte["below"]) == ("sasrec/id", "")
    assert value_of(built, backbone="sasrec", representation="id", metric="HR")["below"] == "sasrec/pte"
    assert value_of(built, backbone="sasrec", representation="id", metric="HR")["mark"] == "second"
    popularity = value_of(built, backbone="popularity", metric="HR")
    assert popularity["mean"] == 0.02 and popularity["seed_sd"] is None and popularity["mark"] == ""
    assert popularity["provenance"] == "results/cells/toys/cold/popularity/id/seed=0/provenance.json"


def test_a_value_that_all_events_have_is_without_a_spread(built):
    value = value_of(built, backbone="popularity", metric="HR", group="overall") | {"mark": "", "mean": 0.0}
    assert " ± 0.0" in rendering.value_text(value, "", "")
    assert rendering.value_text(value | {"low": 0.0, "high": 0.0}, "", "") == "0.0000"


def test_published_values_stand_beside(built):
    base = value_of(built, backbone="sasrec", representation="id", metric="NDCG", group="overall")
    assert base["published"] == 0.0255 and base["difference"] == pytest.approx(0.03 - 0.0255)
    assert base["source"].startswith("PtE Table 3")
    assert value_of(built, backbone="popularity", metric="HR", group="overall")["published"] == 0.0134
    assert built.filter(group="item_tail")["published"].null_count() == 6


def test_a_published_value_of_a_group_stands_beside_that_group_alone(tmp_path):
    head, *lines = PUBLISHED.read_text().splitlines()
    line = next(x for x in lines if x.startswith("preferdiff-toys amazon2014-toys,cold_start_user,sasrec,pte"))
    assert ",overall,false,NDCG,10,0.0473," in line
    (tmp_path / "published.csv").write_text("\n".join([head, line.replace(",overall,", ",item_tail,")]) + "\n")
    for key in ("preferdiff-toys", "amazon2014-toys"):  # one split, published and drawn anew
        spec = SPEC | {"published": {"toys": key}}
        built = tables.build(
            spec, metrics_frame(), tables.read_published(tmp_path / "published.csv"), evidence_of(SPEC)
        )
        given = built.filter(pl.col("published").is_not_null())
        assert given.select("group", "representation", "metric").rows() == [("item_tail", "pte", "NDCG")]
        assert "| toys | cold, item_tail | sasrec | pte | NDCG@10 |" in references.render(built)


def test_published_values_need_the_same_protocol():
    removed = SPEC | {"protocols": {"cold": {"kind": "cold_start_user", "remove_seen": True}}}
    other = SPEC | {"protocols": {"cold": {"kind": "leave_one_out", "remove_seen": False}}}
    for spec in (removed, other, SPEC | {"published": {"toys": None}}):
        built = tables.build(spec, metrics_frame(), tables.read_published(PUBLISHED), evidence_of(SPEC))
        assert built["published"].null_count() == built.height


def test_a_published_recall_of_several_targets_is_no_hit_rate():
    line = "d,snapshot,sasrec,id,full,overall,,Recall,10,0.5,,a paper"
    published = pl.read_csv(f"{','.join(tables.PUBLISHED)}\n{line}".encode(), schema_overrides=tables.PUBLISHED)
    published = published.with_columns(remove_seen=pl.lit(True))
    place = ("d", "p", "sasrec", "id", 0, "full", "overall")
    spec = SPEC | {"cells": [["d", "p", "sasrec", "id", [0]]], "published": {"d": "d"}, "groups": ["overall"],
                   "metrics": ["HR@10", "Recall@10"]}  # fmt: skip
    spec |= {"protocols": {"p": {"kind": "snapshot", "remove_seen": True}}}
    for targets, beside in (("several", [None, 0.5]), ("one", [0.5, 0.5])):
        rows = [(*place, metric, 10, 0.6, 9, targets, None, 0, 7) for metric in ("HR", "Recall")]
        built = tables.build(spec, pl.DataFrame(rows, schema=METRICS, orient="row"), published, evidence_of(spec))
        assert set(built["targets"]) == {targets}
        assert built["published"].to_list() == beside


def test_a_missing_cell_is_named():
    metrics = metrics_frame().filter(~((pl.col("representation") == "pte") & (pl.col("seed") == 1)))
    with pytest.raises(InputError, match=r"cell toys/cold/sasrec/pte/seed=1 has no HR@10"):
        tables.build(SPEC, metrics, tables.read_published(PUBLISHED), evidence_of(SPEC))
    with pytest.raises(InputError, match="ranking 'zero_shot'"):
        tables.build(
            SPEC | {"rankings": ["zero_shot"]}, metrics_frame(), tables.read_published(PUBLISHED), evidence_of(SPEC)
        )


def test_equal_means_share_a_mark():
    assert tables.mark_best([1.0, 2.0, 2.0, 0.5]) == ["second", "best", "best", ""]
    assert tables.mark_best([1.0, 1.0]) == ["", ""]
    assert tables.mark_best([1.0]) == [""]
    assert tables.mark_best([1.0, 2.0, 3.0, 2.0], {2, 3}) == ["second", "best", "", ""]
    assert tables.mark_best([1.0, 2.0], {0, 1}) == tables.mark_best([1.0, 2.0], {1}) == ["", ""]


def test_markdown(built):
    lines = markdown.render(Sheet(built, SPEC["title"])).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in rows} == {9}
    assert any(line.startswith("| sasrec | id |  |  | 1,234 |") for line in rows)
    assert any(line.startswith("| sasrec | pte | template + card, users | 768 | 57,664 |") for line in rows)
    assert "## toys, cold" in lines and "## toys, cold, item_tail" in lines
    best = next(line for line in rows if line.startswith("| sasrec | pte"))
    assert "**0.0600** ± 0.0044 ↑<br>published 0.0473, Δ +0.0127" in best
    assert "[1](../cells/toys/cold/sasrec/pte/seed=1/provenance.json)" in best
    assert any("<ins>0.0300</ins>" in line for line in rows)


def test_latex(built):
    text = latex.render(Sheet(built, SPEC["title"], "demo", captions=CAPTIONS))
    assert r"\caption{Demo \& more. toys, cold: 200 events. toys, cold, item tail: 100 events. Mean" in text
    assert text.isascii() and text.startswith("% needs \\usepackage{booktabs}")
    body = [line.split(" % ")[0] for line in text.splitlines() if line.rstrip().split(" % ")[0].endswith(r"\\")]
    assert {line.count("&") for line in body if "multicolumn" not in line} == {3}
    assert sum("Backbone & Method" in line for line in body) == 1, "one header"
    for opening, closing in (("{", "}"), (r"\begin", r"\end")):
        assert text.replace(r"\{", "").count(opening) == text.replace(r"\}", "").count(closing)
    assert r"\textbf{0.0600}{\scriptsize$\,\pm\,$0.0044}\,$\uparrow$" in text
    assert "SASRec & ID &" in text and "\n & PtE &" in text, "a backbone's name stands once"


def test_names_are_those_that_papers_print():
    names = {"sasrec": "SASRec", "pte_shuffled": "PtE (shuffled)", "rlmrec_con": "RLMRec-Con", "mine_a": "mine a"}
    names |= {
        "lightgcn_infonce": "LightGCN (InfoNCE)",
        "cold_start_user": "cold start user",
        "card_minilm": "Card (MiniLM)",
    }
    assert {name: display(name) for name in names} == names


@pytest.mark.skipif(not PDFLATEX, reason="no pdflatex; `apt-get install texlive-latex-recommended` has one")
@pytest.mark.parametrize("compare", ["best_other", "id", "each"])
def test_latex_compiles_and_is_no_wider_than_the_text(tmp_path, compare):
    spec = SPEC | {"compare": compare}
    built = tables.build(spec, metrics_frame(), tables.read_published(PUBLISHED), evidence_of(spec))
    failed = [dict(zip(("dataset", "protocol", "backbone", "representation"), ("toys", "cold", "my_own", "id")))]
    failed[0] |= {"reason": "50 % of #1 & {x}_y^2 ~ \\ failed", "log": "logs/x_y.log"}
    counts = [("a_b", "users", 57128.0, 57128.0, "equal"), ("c", "users", 3.0, None, "no published value")]
    parts = [
        latex.render(Sheet(built, "Users & items, 50 % of #1 with a_b^c ~ {x} \\", "demo", (), failed, CAPTIONS)),
        statistics.latex(pl.DataFrame(counts, schema=statistics.STATISTICS, orient="row")),
    ]
    packages = re.findall(r"\\usepackage\{\w+\}", "".join(part.splitlines()[0] for part in parts))
    lines = [r"\documentclass{article}", *packages, r"\begin{document}", *parts, r"\end{document}"]
    (tmp_path / "t.tex").write_text("\n".join(lines))
    command = [PDFLATEX, "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1500:]
    assert "Overfull" not in done.stdout and "Missing character" not in done.stdout


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.links = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta",):
            self.open.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html(built):
    page = Balance()
    page.feed(text := html.render(Sheet(built, SPEC["title"])))
    page.close()
    assert page.open == [] and "Demo &amp; more" in text
    assert "../cells/toys/cold/sasrec/pte/seed=1/provenance.json" in page.links
    assert "<strong>0.0600</strong> ± 0.0044 ↑<small>published 0.0473, Δ +0.0127</small>" in text


def test_each_row_of_a_panel_has_its_verdict_beside_the_best_other(built):
    lines = markdown.render(Sheet(built, "Demo")).splitlines()
    best = value_of(built, backbone="sasrec", representation="pte", metric="HR")
    ids = value_of(built, backbone="sasrec", representation="id", metric="HR")
    assert best["other"] == "sasrec/id" and ids["other"] == "sasrec/pte"
    assert best["lead"] == -ids["lead"]
    assert best["lead_low"] == -ids["lead_high"] and 0 < best["lead_low"] < best["lead"] < best["lead_high"]
    span = "[{lead_low:+.4f}, {lead_high:+.4f}]"
    assert f"- sasrec/pte: ahead of sasrec/id, {best['lead']:+.4f} {span.format(**best)}" in lines
    assert f"- sasrec/id: behind sasrec/pte, {ids['lead']:+.4f} {span.format(**ids)}" in lines
    assert f"<li>sasrec/pte: ahead of sasrec/id, {best['lead']:+.4f}" in html.render(Sheet(built, "Demo"))


def test_a_row_that_holm_leaves_level_says_so_where_its_own_interval_excludes_zero(built):
    value = value_of(built, backbone="sasrec", representation="id", metric="HR") | {"above": "", "below": ""}
    for low, high, said in (
        (-0.0558, -0.0040, ", an interval of this pair alone: p by Holm is above 0.05"),
        (-0.1, 0.1, ""),
    ):
        level = value | {"lead": -0.0296, "lead_low": low, "lead_high": high}
        text = f"sasrec/id: level with sasrec/pte, -0.0296 [{low:+.4f}, {high:+.4f}]{said}"
        assert rendering.verdict_texts([("sasrec", "id", [level])]) == [text]


def test_a_method_that_failed_has_a_row_that_says_so_with_the_reason_and_a_link(built):
    failed = [
        {"dataset": "toys", "protocol": "cold", "backbone": "biasmf", "representation": "id", "reason": "a < b", "log": "logs/x.log"},
        {"dataset": "toys", "protocol": "warm", "backbone": "ease", "representation": "id", "reason": "no file", "log": "logs/y.log"},
    ]  # fmt: skip
    text = markdown.render(Sheet(built, "Demo", below=["As expected: yes."], failed=failed))
    assert text.count("| biasmf | id |  |  |  | failed | failed | [log](../../logs/x.log) |") == 2, (
        "in each panel of its split"
    )
    assert text.endswith(
        "- Failed: toys cold biasmf id. a < b ([log](../../logs/x.log))\n"
        "- Failed: toys warm ease id. no file ([log](../../logs/y.log))\n- As expected: yes.\n"
    )
    page = html.render(Sheet(built, "Demo", failed=failed))
    assert page.count('<td class="number">failed</td>') == 4 and 'a &lt; b (<a href="../../logs/x.log">log</a>)' in page
    assert (
        latex.render(Sheet(built, "Demo", "demo", failed=failed)).count(
            "BiasMF & ID & failed & failed \\\\ % logs/x.log: a < b"
        )
        == 2
    )


@pytest.mark.parametrize("form", [markdown, html, latex])
def test_marks_of_each_family_stand_in_every_form(form):
    published = tables.read_published(PUBLISHED)
    for compare, legend, mark in (
        ("best_other", "best other row", ("↑", r"$\uparrow$")), ("id", "ids of its backbone", ("↑", r"$\uparrow$")),
        ("each", "rows that a row is above", ("<sup>a,b</sup>", r"$^{\mathrm{a,b}}$")),
    ):  # fmt: skip
        spec = SPEC | {"compare": compare}
        built = tables.build(spec, metrics_frame(), published, evidence_of(spec))
        text = form.render(Sheet(built, SPEC["title"], "demo"))
        body = next(line for line in text.splitlines() if "sasrec" in line and "pte" in line)
        assert legend in text and any(m in body for m in mark)
        assert ("pte (c)" in body or "PtE (c)" in body) == (compare == "each")


def test_rows_without_a_counterpart_have_no_mark():
    spec = SPEC | {"cells": SPEC["cells"][:1]}
    for compare in ("best_other", "id", "each"):
        one = tables.build(spec | {"compare": compare}, metrics_frame(), tables.read_published(PUBLISHED),
                           evidence_of(spec | {"compare": compare}))  # fmt: skip
        assert set(one["above"]) == set(one["below"]) == {""} and "No row is compared" in rendering.note(one)


@pytest.mark.parametrize("compare", ["best_other", "id", "each"])
def test_a_row_whose_writer_saw_held_out_items_has_and_takes_no_mark(compare):
    spec = SPEC | {"compare": compare}
    text = pl.when(representation="pte").then(pl.lit("users by gpt; saw held-out items")).alias("text")
    one = tables.build(
        spec, metrics_frame().with_columns(text), tables.read_published(PUBLISHED), evidence_of(spec, {2})
    )
    leaking = one.filter(representation="pte")
    assert leaking["mean"].min() > one.filter(pl.col("representation") != "pte")["mean"].max() / 2, "it is ahead"
    assert set(leaking["mark"]) == {""} and set(leaking["lead"]) == {None} and set(leaking["comparisons"]) == {0}
    marks = one.filter(group="overall", metric="HR").select("backbone", "representation", "mark").rows()
    assert marks[:2] == [("popularity", "id", "second"), ("sasrec", "id", "best")]
    assert not any("pte" in row["above"] + row["below"] + row["other"] for row in one.iter_rows(named=True))
    pairs = tables.build_comparisons(spec, evidence_of(spec, {2}))
    assert pairs.filter(other_representation="pte").is_empty()
    for _, _, rows in rendering.panels(one):
        assert not any("sasrec/pte" in line for line in rendering.verdict_texts(rows))
    legend = "Rows that saw held-out items are compared among themselves alone, and none of them is best."
    for body in (form.render(Sheet(one, "t", "demo")) for form in (markdown, latex, html)):
        assert legend in body


def write_cells(folder, spec, ranks):
    """Write the ranks (events, seeds in order) and the groups of a table; return them as a job's inputs."""
    files, count = [], len(ranks)
    columns = {"event": range(count), "user": range(count)}
    for number, column in enumerate(ranks.T):
        files.append(folder / f"{number}.parquet")
        frame = pl.DataFrame(columns | {"ranking": "full", "target": 1, "rank": column, "targets": 1, "candidates": 1000},
                             schema_overrides=RANKS)  # fmt: skip
        write_table(frame, files[-1], RANKS)
    groups = pl.DataFrame({"event": range(0, count, 2), "group": "item_tail"}, schema=GROUPS)
    write_table(groups, folder / "groups.parquet", GROUPS)
    write_table(pl.DataFrame({"user": [1], "history": [[1, 2]]}, schema=TRAIN), folder / "train.parquet", TRAIN)
    (folder / "toys").mkdir(exist_ok=True)
    write_json({"notes": {"users": 500, "users_before_draw": 10360}}, folder / "toys/provenance.json")
    return {"ranks": files, "groups": [folder / "groups.parquet"], "train": [folder / "train.parquet"],
            "data": [folder / "toys/provenance.json"]}  # fmt: skip


def test_table_script(tmp_path):
    write_table(metrics_frame(), tmp_path / "metrics.csv", METRICS)
    outputs = {name: tmp_path / f"t.{end}" for name, end in
               [("csv", "csv"), ("md", "md"), ("tex", "tex"), ("html", "html"), ("comparisons", "c.csv"), ("costs", "k.csv")]}  # fmt: skip
    random = np.random.default_rng(0)
    ranks = random.integers(1, 40, (300, 5)).astype(float)
    ranks[:, 3:] = random.integers(1, 12, (300, 2))  # both seeds of pte
    write_json({"parameters": 7, "wall_seconds": 2.0, "cpu_seconds": 3.0}, tmp_path / "record.json")
    inputs = {"metrics": [tmp_path / "metrics.csv"], "published": [PUBLISHED], **write_cells(tmp_path, SPEC, ranks)}
    inputs["records"] = [tmp_path / "record.json"] * 5
    # of 6 overall values, 2 for popularity, and NDCG of the two sasrec methods are published
    spec = SPEC | {"trials": [0, 0, 0]}
    notes = table(Job(spec, inputs, outputs, code="", threads=1))
    assert (notes["values"], notes["published"]) == (12, 4)
    said = "test events, 0.0 % of their targets never trained; 1,000 candidates each, seen items among them; "
    said += "a seeded sample, 500 of 10,360 users."
    assert notes["captions"] == {"toys, cold": f"300 {said}", "toys, cold, item_tail": f"150 {said}"}
    for form in ("md", "html", "tex"):
        text = outputs[form].read_text().replace(r"\%", "%")
        assert all(caption.removesuffix(".") in text for caption in notes["captions"].values()), form
    values = pl.read_csv(outputs["csv"])
    assert values.columns == list(tables.TABLE) and set(values["events"]) == {300, 150}
    assert set(values.filter(representation="pte")["above"]) == {"sasrec/id"}
    pairs = pl.read_csv(outputs["comparisons"])
    assert pairs.height == 3 * 4 and pairs.columns == list(tables.COMPARISONS)
    first = pairs.filter(group="overall", metric="HR", representation="id", other_representation="pte").row(
        0, named=True
    )
    hits = (ranks <= 10).astype(float)
    gaps = hits[:, 0] - hits[:, 3:].mean(1)
    assert first["difference"] == pytest.approx(gaps.mean()) and first["p"] == 1e-4
    assert first["d_z"] == pytest.approx(gaps.mean() / gaps.std(ddof=1))
    again = {name: path.read_bytes() for name, path in outputs.items()}
    table(Job(spec, inputs, outputs, code="", threads=1))
    assert again == {name: path.read_bytes() for name, path in outputs.items()}


def test_a_caption_says_what_the_events_of_its_panel_are(tmp_path):
    rows = [
        (0, "full", 1, 1, 1.0, 2, 8),
        (0, "full", 1, 5, 2.0, 2, 8),
        (1, "full", 2, 2, 3.0, 1, 9),
        (1, "new", 2, 5, 1.0, 1, 2),
    ]
    write_table(pl.DataFrame(rows, schema=RANKS, orient="row"), tmp_path / "r.parquet", RANKS)
    write_table(pl.DataFrame([(1, "tail")], schema=GROUPS, orient="row"), tmp_path / "g.parquet", GROUPS)
    write_table(pl.DataFrame({"user": [1], "history": [[1, 2]]}, schema=TRAIN), tmp_path / "t.parquet", TRAIN)
    spec = {
        "cells": [["toys", "snap", "ease", "id", [0]]], "rankings": ["full", "new"], "groups": ["overall", "tail", "none"],
        "protocols": {"snap": {"kind": "snapshot", "remove_seen": True, "cut": "2024-01-16"}},
    }  # fmt: skip
    files = ([tmp_path / f"{name}.parquet"] for name in "rgt")
    end = "cut at 2024-01-16; {} candidates each, seen items left out."
    (tmp_path / "toys").mkdir()
    write_json({"notes": {"users": 2, "users_before_draw": 2}}, tmp_path / "toys/provenance.json")
    assert write_captions(spec, *files, [tmp_path / "toys/provenance.json"]) == {
        "toys, snap": f"2 test events, 33.3 % of their targets never trained; {end.format('8 to 9')}",
        "toys, snap, tail": f"1 test event, 0.0 % of their targets never trained; {end.format('9')}",
        "toys, snap, new": f"1 test event, 100.0 % of their targets never trained; {end.format('2')}",
        "toys, snap, new, tail": f"1 test event, 100.0 % of their targets never trained; {end.format('2')}",
    }


def test_a_caption_says_of_how_many_a_supplied_text_is_where_some_have_none(tmp_path):
    ranks = np.array([[1.0], [2.0], [3.0]])
    spec = SPEC | {"cells": SPEC["cells"][:1], "groups": ["overall"]}
    files = write_cells(tmp_path, spec, ranks).values()
    sides = {"whole": ("item", [0, 1, 1]), "items": ("item", [0, 1, 0]), "few": ("user", [0, 1, 0, 0])}
    vectors = []
    for name, (_, there) in sides.items():
        write_embeddings(np.array(there, dtype=np.float32)[:, None], tmp_path / name, {})
        vectors.append(tmp_path / name)
    spec["texts"] = [["toys", "cold", name, side] for name, (side, _) in sides.items()]
    (caption,) = write_captions(spec, *files, vectors).values()
    end = "; texts of items: 1 of 2 items, 3 of 3 targets; texts of few: 1 of 3 users, 1 of 3 test events."
    assert caption.endswith(f"10,360 users{end}") and "whole" not in caption


def test_a_legend_says_nothing_of_what_is_not_there():
    spec = SPEC | {"cells": SPEC["cells"][:1], "published": {"toys": None}}
    one = tables.build(spec, metrics_frame(), tables.read_published(PUBLISHED), evidence_of(spec))
    legend = rendering.note(one)
    assert legend.startswith("Parameters what it trains. One seed (1 a row) ± half of its 95 %")
    for absent in ("text", "width", "bold", "underlined", "↑", "Δ", "published", "Coverage"):
        assert absent not in legend, absent
    sheet = Sheet(one, "t")
    assert "| representation | parameters |" in markdown.render(sheet) and "|---|---|---:|" in markdown.render(sheet)
    assert ">width</th>" not in html.render(sheet) and ">parameters</th>" in html.render(sheet)


def test_rows_of_the_same_scores_have_hardly_a_mark(tmp_path, monkeypatch):
    """The ranks of one model, each row with a noise of its own: a mark of a column is a false one."""
    monkeypatch.setattr("ptebench.report.significance.DRAWS", 1000)
    random, false, columns = np.random.default_rng(11), 0, 0
    metrics = ["HR@10", "NDCG@10", "MRR@10"]
    spec = SPEC | {"groups": ["overall"], "metrics": metrics}
    for _ in range(30):
        base = np.exp(random.normal(3, 1.5, (200, 1)))
        ranks = np.clip(np.round(base * np.exp(random.normal(0, 0.5, (200, 5)))), 1, 1000)
        inputs = write_cells(tmp_path, spec, ranks)
        panel = collect_evidence(spec, inputs)["toys", "cold", "full", "overall"]
        signs = [[panel.sign(m, *pair) for pair in panel.pairs] for m in range(len(metrics))]
        false, columns = false + sum(map(any, signs)), columns + len(metrics)
    assert false / columns <= 0.05 + 2 * (0.05 * 0.95 / 30) ** 0.5


def test_statistics_table_script(tmp_path):
    frames = {
        "a": [("a", "users", 57128.0, 57128.0, "equal"), ("a", "first_timestamp", 1.5e9, None, "no published value")],
        "b": [("b", "users", 3.0, None, "no published value"), ("b", "sparsity_percent", 99.5, 99.4, "differs")],
    }
    paths = []
    for name, rows in frames.items():
        paths.append(tmp_path / f"{name}.csv")
        write_table(pl.DataFrame(rows, schema=statistics.STATISTICS, orient="row"), paths[-1], statistics.STATISTICS)
    outputs = {name: tmp_path / f"s.{end}" for name, end in [("csv", "csv"), ("md", "md"), ("tex", "tex")]}
    notes = statistics_table(Job({}, {"statistics": paths}, outputs, code="", threads=1))
    assert notes == {"published": 2, "equal": 1}
    wide = pl.read_csv(outputs["csv"])
    assert wide["dataset"].to_list() == ["a", "b"] and wide["users"].to_list() == [57128, 3]
    assert wide["sparsity_percent_verdict"].to_list() == [None, "differs"]
    assert "| users | 57,128<br>published 57,128: equal | 3 |" in outputs["md"].read_text()
    assert "| first timestamp | 2017-07-14 |  |" in outputs["md"].read_text()
    assert r"99.5 {\scriptsize (99.4: differs)}" in outputs["tex"].read_text()


# ------------------------------------------------------------- published.csv


def test_published_values_are_unique_and_possible():
    frame = tables.read_published(PUBLISHED)
    assert frame.height > 400
    assert not frame.select(pl.struct(tables.PUBLISHED_KEY).is_duplicated().any()).item()
    assert frame["value"].is_between(0, 1).all() and frame["metric"].is_in(["HR", "Recall", "NDCG", "MRR"]).all()
    assert frame["protocol"].is_in(["leave_one_out", "cold_start_user", "snapshot", "long_tail"]).all()
    groups = {f"{side}_{end}_compat" for side in ("item", "user") for end in ("head", "tail")}
    assert set(frame.filter(protocol="long_tail")["group"]) == {"overall", *groups}
    assert set(frame.filter(pl.col("protocol") != "long_tail")["group"]) == {"overall"}


def test_published_values_obey_the_laws_where_no_source_note_says_otherwise():
    """With one target per event; RecLM's events have several."""
    frame = tables.read_published(PUBLISHED).filter(
        pl.col("protocol") != "snapshot", ~pl.col("source").str.contains("contradicts itself")
    )
    keys = ["dataset", "backbone", "representation", "remove_seen"]
    for key, part in frame.group_by(keys):
        try:
            check_metrics(part.with_columns(pl.lit(1).alias("events")), {"full", "uniform"})
        except InputError as error:
            pytest.fail(f"{key}: {error}")


# by the study's two tables alone: of Table 4 the share of tail items' and of tail users' events
SHARES = {"yelp": (0.227, 0.795), "fashion": (0.285, 0.565), "beauty": (0.193, 0.820)}


def study(number):
    return tables.read_published(PUBLISHED).filter(pl.col("source").str.starts_with(f"PtE Table {number}"))


def test_the_tables_of_the_study_are_whole():
    third, fourth = study(3), study(4)
    sets = {"pte-movies", "preferdiff-toys", "preferdiff-sports", "amazon2014-toys", "amazon2014-sports"}
    assert third.height == 20 * 4 * len(sets) and set(third["dataset"]) == sets
    assert set(third["backbone"]) == {"sasrec", "dreamrec"}
    for _, part in third.group_by("dataset", "backbone"):
        assert part["representation"].n_unique() == 10
        assert part.select("metric", "k").unique().height == 4
    assert fourth.height == 3 * 4 * 5 * 2 and set(fourth["dataset"]) == {f"llmesr-{name}" for name in SHARES}
    assert set(fourth["representation"]) == {"id", "llmesr", "alphafuse", "pte"}


def test_what_contradicts_itself_in_the_study_is_marked_and_nothing_else():
    """Of one target NDCG and MRR grow with K: a table of one evaluation cannot say otherwise."""
    wide = study(3).pivot("k", index=["dataset", "backbone", "representation", "metric", "source"], values="value")
    falls = wide.filter(pl.col("20") < pl.col("10"))
    assert set(falls.select("backbone", "representation").rows()) == {("sasrec", "pte"), ("dreamrec", "pte")}
    for row in falls.to_dicts():
        assert re.search(rf"contradicts itself: .*{row['metric']}.* with K", row["source"]), row
    marked = wide.filter(pl.col("source").str.contains("contradicts itself"))
    cells = ["dataset", "backbone", "representation"]
    assert marked.join(falls, on=cells, how="anti").is_empty()


def tail_share(frame, side):
    """Return the share w of the tail by least squares over overall = w * tail + (1 - w) * head."""
    head, tail = (frame[f"{side}_{end}_compat"] for end in ("head", "tail"))
    return ((head - frame["overall"]) * (head - tail)).sum() / (head - tail).pow(2).sum()


@pytest.mark.parametrize("name", SHARES)
def test_overall_is_the_mean_of_the_groups_where_no_source_note_says_otherwise(name):
    frame = study(4).filter(dataset=f"llmesr-{name}")
    wide = frame.pivot("group", index=["representation", "metric"], values="value")
    marked = frame.filter(pl.col("source").str.contains("contradicts itself"))
    for side, share in zip(("item", "user"), SHARES[name], strict=True):
        w = tail_share(wide.filter(pl.col("representation").is_in(["id", "llmesr"])), side)
        assert w == pytest.approx(share, abs=0.0006)  # three digits
        mean = w * pl.col(f"{side}_tail_compat") + (1 - w) * pl.col(f"{side}_head_compat")
        off = wide.filter((pl.col("overall") - mean).abs() > 1.5e-4)  # of values of four digits
        known = marked.filter(pl.col("group").str.starts_with(side))
        assert off.join(known, on=["representation", "metric"], how="anti").is_empty()
        # and what is marked is off by more than rounding, of items or of users
        assert set(off["representation"]) == ({"pte", "alphafuse"} if (name, side) == ("yelp", "user") else {"pte"})


def test_a_value_given_twice_is_refused(tmp_path):
    lines = PUBLISHED.read_text().splitlines()
    for extra in (lines[1], lines[5].split(" ")[1], re.sub(",(true|false),", ",,", lines[1])):
        path = tmp_path / "published.csv"
        path.write_text("\n".join([*lines, extra]) + "\n")
        with pytest.raises(InputError, match="given twice"):
            tables.read_published(path)


@pytest.mark.parametrize(
    "mean, published, sd, expected",
    [
        (0.0432, 0.0432, 0.0002, "equal"), (0.0428, 0.0432, 0.0002, "equal"), (0.0427, 0.0432, 0.0002, "below"),
        (0.0437, 0.0432, 0.0002, "above"), (0.0509, 0.05, None, "equal"), (0.0511, 0.05, None, "above"),
    ],
)  # fmt: skip
def test_a_verdict_allows_two_published_standard_deviations(mean, published, sd, expected):
    assert references.judge_mean(mean, published, sd) == expected


def test_references_hold_every_published_value_once(built):
    text = references.render(pl.concat([built, built]))
    shown = built.filter(pl.col("published").is_not_null())
    assert f"{shown.height} values with a published one beside" in text
    assert len(re.findall(r"^\| toys ", text, re.M)) == shown.height
    base = value_of(built, backbone="sasrec", representation="id", metric="NDCG", group="overall")
    row = next(line for line in text.splitlines() if "| sasrec | id | NDCG@10 |" in line)
    assert f"{base['published']:.4f}" in row and row.endswith("| above |")
    assert all(f"## {source}" in text for source in shown["source"].unique())
