"""The report opens from the disk: every link resolves, nothing is fetched, tables sort, and it stays small and fast."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest

from ptebench.errors import InputError
from ptebench.report.site import datasets, drawing, methods
from ptebench.report.site.build import Site, _tables, build
from ptebench.report.site.compare import comparison, runs, tau
from ptebench.report.site.results import Method, Results
from ptebench.report.site.verdicts import verdicts
from tests.conftest import REPOSITORY
from tests.report.site import world

PUBLISHED = REPOSITORY / "ptebench/report/published.csv"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(not BROWSER, reason="no chromium; `apt-get install chromium` has one")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    world.build(root, PUBLISHED)
    return root


@pytest.fixture(scope="module")
def results(folder):
    return Results.read(folder, ["shop"], world.SETTINGS)


@pytest.fixture(scope="module")
def report(results, folder):
    build(results, folder / "results/report")
    return folder / "results/report"


class Page(HTMLParser):
    """The links, anchors, images and tags of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.open, self.wrong = [], set(), [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.links += [value for name, value in attributes if name in ("href", "src")]
        self.ids.add(of.get("id"))
        if tag not in ("meta", "link", "br", "wbr", "path", "circle", "rect", "polyline"):
            self.open.append(tag)
        if tag == "svg" and not of.get("aria-label"):
            self.wrong.append("a drawing without words")
        if tag == "th" and "scope" not in of:
            self.wrong.append("a heading without scope")

    def handle_endtag(self, tag):
        if tag in ("path", "circle", "rect", "polyline"):
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def pages(report):
    return {path: Page(path) for path in sorted(report.rglob("*.html"))}


def test_every_link_of_every_page_leads_to_a_file_and_none_leads_outside(report):
    found = pages(report)
    assert len(found) == 4 + 7  # a page for each row; index, table, data, profiles, information, compare, state
    for path, page in found.items():
        for link in page.links:
            if link.startswith("data:,"):
                continue
            assert not re.match(r"\w+:|//", link), (path, link)
            target, _, anchor = unquote(link).partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.is_file() and report.resolve() in file.parents, (path, link)
            assert not anchor or anchor in found[file].ids, (path, link)


def test_no_file_names_an_address(report):
    for path in report.rglob("*"):
        if path.is_file() and path.suffix != ".json":
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http:" not in text and "https:" not in text and "@import" not in text, path


def test_pages_are_well_formed_and_speak_to_screen_readers(report):
    for path, page in pages(report).items():
        assert (page.wrong, page.open) == ([], []), path
        text = path.read_text()
        assert '<html lang="en">' in text and text.count("<h1>") == 1 and 'href="#main"' in text, path


def test_every_page_is_reached_from_the_first(report):
    found, reached, todo = pages(report), set(), [report / "index.html"]
    while todo:
        path = todo.pop().resolve()
        if path not in reached and path.suffix == ".html":
            reached.add(path)
            links = (link.partition("#")[0] for link in found[path].links if not link.startswith("data:"))
            todo += [path.parent / link for link in links if link]
    assert reached == {path.resolve() for path in found}


def test_a_page_of_a_row_has_settings_ranks_groups_cost_and_the_chain_to_the_raw_file(report, folder):
    text = (report / "cells/shop/cold/sasrec/pte_shuffled.html").read_text()
    assert "A control of" in text and "backbone.<wbr>dimension" in text and "user_tail" in text and "1.5 s" in text
    assert "raw/shop.csv" in text and "snakemake --cores all --force results/cells/shop/cold/sasrec/pte_shuffled" in text
    ranks = folder / "results/cells/shop/cold/sasrec/pte_shuffled/seed=1/ranks.parquet"
    assert world.file_digest(ranks) in text


def test_the_components_of_a_reward_are_drawn_alone(report):
    drawings = re.findall(r'aria-label="(Components of the reward[^"]*)"', (report / "profiles/shop/cold/small.html").read_text())
    assert drawings == ["Components of the reward by step of GRPO, user profiles. rank: 0.1 to 0.1"]


def test_titles_of_items_are_escaped(report):
    text = (report / "profiles/shop/cold/small.html").read_text()
    assert "&lt;thing&gt; 2" in text and "<thing>" not in text


def test_every_page_that_is_of_a_sample_says_so(report):
    said = "seeded sample, 80 of 1,600 users"
    pages = ("index", "tables/shop", "data/shop", "cells/shop/cold/sasrec/pte", "profiles/shop/cold/small", "information/mine/shop/cold")
    assert all(said in (report / f"{page}.html").read_text() for page in pages)


def test_verdicts_of_an_analysis_of_information_stand_on_its_page(report):
    text = (report / "information/mine/shop/cold.html").read_text()
    assert "<h2>Does it suffice?</h2>\n<h3><code>ids</code> alone</h3>" in text and "Table" not in text
    assert "<code>ids</code> &lt; cards: <strong>no</strong>." in text
    assert 'data-sort="0.5">0.5</td>' in text and "example.org" not in text


def test_the_same_results_give_the_same_bytes(results, report, tmp_path):
    build(results, tmp_path / "again")
    for path in report.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(report)).read_bytes(), path


def test_a_verdict_names_the_best_row_and_sets_rows_beside_their_floors(results):
    first = verdicts(results, results.tables[0])[0]
    assert "is best" in first.sentence and "chance" in first.sentence
    of = {line.method.name: line for line in first.lines}
    assert of["sasrec/pte"].control[0] == "sasrec/pte_shuffled" and of["sasrec/pte"].ids[0] == "sasrec/id"
    assert of["sasrec/id"].counter[0] == "popularity/id" and of["popularity/id"].counter is None
    pair = of["sasrec/pte"].control[1]
    assert pair.difference == pytest.approx(of["sasrec/pte"].mean - of["sasrec/pte_shuffled"].mean)


def test_what_a_table_was_expected_to_show_stands_on_its_page_and_on_the_first(report):
    for name in ("index.html", "tables/shop.html"):
        assert "As expected: no. sasrec.pte is not above sasrec.pte_shuffled" in (report / name).read_text()


def test_a_row_that_failed_stands_in_the_table_and_on_the_first_page(folder, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(folder, root, ignore=shutil.ignore_patterns("report"))
    failure = {"dataset": "shop", "protocol": "cold", "backbone": "gru4rec", "representation": "id"}
    failure |= {"reason": "train: killed by signal 11 (SIGSEGV)", "log": "logs/train.log"}
    broken = Results.read(root, ["shop"], world.SETTINGS)
    lost = failure | {"protocol": "warm", "log": "logs/gone.log"}
    broken.tables[0].spec["failed"] = [failure, lost]
    (root / "logs").mkdir()
    (root / "logs/train.log").write_text("<end>\n")
    build(broken, root / "results/report")
    first, table, state = (
        (root / f"results/report/{name}.html").read_text() for name in ("index", "tables/shop", "state")
    )
    assert "2 failed" in first and "1 of 5 rows failed. " in first and "warm, NDCG@10:</strong> 1 of 1 rows failed." in first
    assert '<td class="number bad"><a href="../logs/train.log.txt">failed</a></td>' in table
    assert (root / "results/report/logs/train.log.txt").read_text() == "<end>\n"
    panels = [part for part in re.findall(r"<tbody>.*?</tbody>", table, re.S) if "gru4rec" in part]
    columns = [{row.count("<td") for row in re.findall(r"<tr>.*?</tr>", part, re.S)} for part in panels]
    assert panels and all(len(counts) == 1 for counts in columns), "it has as many columns as others"
    assert "shop cold gru4rec id: train: killed by signal 11 (SIGSEGV) (<a href=\"logs/train.log.txt\">logs/train.log</a>)" in state
    assert "killed by signal 11 (SIGSEGV) (logs/gone.log)" in state


def test_a_control_is_the_control_of_the_row_with_the_same_settings(results):
    row = Method("shop", "cold", "sasrec", "pte_shuffled")
    assert results.control(row) == row._replace(representation="pte")
    assert results.control(row._replace(representation="pte")) is None


def test_what_changed_or_came_from_nowhere_is_named(folder, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(folder, root, ignore=shutil.ignore_patterns("report"))
    before = Results.read(root, ["shop"], world.SETTINGS).records
    assert (list(before.stale()), list(before.unexplained()), list(before.uneven())) == ([], [], [])
    cell = "results/cells/shop/cold/sasrec/id/seed=0"
    (root / cell / "training.csv").write_text("epoch,loss,value,seconds\n")
    (root / "results/stray.csv").write_text("x\n")
    (root / cell / ".model.safetensors.lease").write_text("7 here\n")  # of a job that a signal ended
    (root / cell / ".7.model.safetensors").write_text("half")
    (root / "results/code").mkdir()
    (root / "results/code/0123456789ab.json").write_text("{}\n")
    record = root / "results/splits/shop/cold/provenance.json"
    content = json.loads(record.read_text())
    content["outputs"]["results/splits/shop/cold/train.parquet"] = "0" * 64
    record.write_text(json.dumps(content))
    model = root / "results/cells/shop/cold/sasrec/id/seed=1/provenance.json"
    model.write_text(model.read_text().replace("0123456789ab", "ba9876543210"))
    after = Results.read(root, ["shop"], world.SETTINGS).records
    stale = list(after.stale())
    assert (f"{cell}/training.csv", "changed since its record was written") in stale
    assert (f"{cell}/provenance.json", "made from another version of results/splits/shop/cold/train.parquet") in stale
    assert list(after.unexplained()) == [("results/stray.csv", "no record says what made it")]
    assert [kind for kind, _ in after.uneven()] == ["train sasrec id"]


def test_a_record_that_is_none_is_refused(folder, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/provenance.json").write_text("{}")
    with pytest.raises(InputError, match="no record"):
        Results.read(tmp_path, [], world.SETTINGS)


def test_runs_of_rows_alike_are_the_longest():
    assert runs(4, {(0, 1), (1, 2), (2, 3)}) == [(0, 1), (1, 2), (2, 3)]
    assert runs(4, {(0, 1), (0, 2), (1, 2), (2, 3)}) == [(0, 2), (2, 3)]
    assert runs(3, set()) == []


def test_tau_needs_three_shared_rows_that_differ():
    assert tau({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 2, "c": 3}) == 1
    assert tau({"a": 1, "b": 2, "c": 3}, {"a": 3, "b": 2, "c": 1}) == -1
    assert tau({"a": 1, "b": 2}, {"a": 1, "b": 2}) is None
    assert tau({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 3}) is None


def browse(page, script="", size="1280,900"):
    """Open a page with a script of ours at its end; return what that leaves in the title, and all errors."""
    trial = page.with_name("trial.html")
    last = f'addEventListener("load", () => {{ {script} }})'
    trial.write_text(page.read_text() + f"<script>{last}</script>")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--window-size={size}"]
    done = subprocess.run([*command, "--dump-dom", trial.as_uri()], capture_output=True, text=True, timeout=60)
    trial.unlink()
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)[1], errors


@needs_browser
def test_a_heading_sorts_its_table_in_the_browser_and_tells(report):
    script = """
      const table = document.querySelector("table.sortable");
      const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === "NDCG@10");
      const values = () => [...table.tBodies[0].rows].map((row) => Number(row.cells[at].dataset.sort));
      const button = table.tHead.rows[0].cells[at].querySelector("button");
      button.click(); const down = values(); const told = document.getElementById("said").textContent;
      button.click(); const up = values();
      const words = table.tHead.rows[0].cells[0].querySelector("button"); words.click();
      const names = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent);
      document.title = JSON.stringify({ down, up, names, told, marked: table.tHead.rows[0].cells[0].getAttribute("aria-sort") });
    """
    title, errors = browse(report / "tables/shop.html", script)
    seen = json.loads(title)
    assert errors == [] and len(seen["down"]) == 4
    assert seen["down"] == sorted(seen["down"], reverse=True) and seen["up"] == sorted(seen["up"])
    assert seen["names"] == sorted(seen["names"]) and seen["marked"] == "ascending" and "descending" in seen["told"]


@needs_browser
def test_no_page_complains_or_is_wider_than_a_narrow_window(report):
    names = ("index", "compare", "state", "tables/shop", "data/shop", "profiles/shop/cold/small", "information/mine/shop/cold", "cells/shop/cold/sasrec/pte")
    for name in names:
        wide = "document.title = String(document.documentElement.scrollWidth - innerWidth)"
        title, errors = browse(report / f"{name}.html", wide, "500,900")  # the narrowest there is
        assert (errors, int(title) <= 0) == ([], True), (name, title)


@needs_browser
def test_a_phone_shows_names_beside_values_and_text_of_drawings_can_be_read(report):
    script = """
      document.body.style.width = "390px";
      const scroll = document.querySelector(".scroll"), edge = () => scroll.getBoundingClientRect();
      const at = (place) => scroll.querySelector("tbody tr").cells[place].getBoundingClientRect();
      const first = at(1).right <= edge().right; scroll.scrollLeft = 1e4;
      const lines = getComputedStyle(scroll.querySelector("table")).borderCollapse;  // collapsed ones stay behind what is sticky
      const sizes = [...document.querySelectorAll("figure svg")].map((svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width);
      document.title = JSON.stringify({ first, moved: scroll.scrollLeft, stays: Math.abs(at(0).left - edge().left), lines, least: 12 * Math.min(...sizes) });
    """
    for name in ("tables/shop", "cells/shop/cold/sasrec/pte", "compare"):
        title, errors = browse(report / f"{name}.html", script, "500,900")
        seen = json.loads(title)
        assert errors == [] and seen["least"] >= 10 and seen["lines"] == "separate", (name, seen)
        if name == "tables/shop":
            assert seen["first"] and seen["moved"] > 0 and seen["stays"] < 1, seen


def test_a_row_begins_with_what_its_tables_show(results, report):
    method = next(iter(results.methods))
    for _, names, rows in methods.groups(results, method):
        assert names[:2] == ["NDCG@10", "HR@5"] and {"HR@1", "NDCG@1"} < set(names)
        own = results.metrics(method).filter(group="overall", metric="HR", k=5)["value"].mean()
        assert rows[0][2][1] == pytest.approx(own)
    head = re.search(r"<thead>.*?</thead>", (report / "tables/shop.html").read_text(), re.DOTALL)[0]
    assert re.sub(r"<[^>]+>", " ", head).split() == ["row", "NDCG@10", "HR@5", "width", "parameters"]


def test_a_column_without_a_value_is_left_out(results, report, tmp_path):
    floors = {"less the ids of its backbone", "less the best counter", "less its control"}
    assert all(f">{name}</th>" in (report / "index.html").read_text() for name in floors)
    world.build(tmp_path, PUBLISHED, backbones=("popularity",))
    build(Results.read(tmp_path, ["shop"], world.SETTINGS), tmp_path / "results/report")
    row = (tmp_path / "results/report/cells/shop/cold/popularity/id.html").read_text()
    assert not any(name in (tmp_path / "results/report/index.html").read_text() for name in floors)
    assert '>device</th>' in row and ">null</th>" not in (report / "information/mine/shop/cold.html").read_text()
    assert ">low</th>" in (report / "information/mine/shop/cold.html").read_text()


def test_lists_from_elsewhere_say_so_and_are_not_ranked_beyond_their_length(results, monkeypatch):
    method = next(m for m in results.methods if m.name == "sasrec/id")
    plain = results.parts(method)
    external = {"kind": "external", "k": 20, "columns": {"user_id": 1, "item_id": 3}}
    monkeypatch.setattr(type(results), "parts", lambda self, m: plain | ({"backbone": external} if m == method else {}))
    monkeypatch.setitem(results.settings["defaults"]["backbone"], "external", {"columns": {}, "k": 10})
    drawn, (numbers,) = methods.ranks(results, method)
    assert "&gt;20</text>" in drawn and "50</text>" not in drawn and 0 < numbers["listed"] < 1
    of = {name: (default, other) for name, _, default, other in methods.settings(results, method)}
    assert of["backbone.columns.user_id"] == ("", True) and of["backbone.k"] == (10, True) and of["backbone.kind"][0] == ""
    site = Site(Path(), results)
    shown = {}
    monkeypatch.setattr(site, "write", lambda path, template, **given: shown.update(given))
    _tables(site)
    assert all(panel[5] == {("sasrec", "id")} for panel in shown["panels"])
    assert methods.longest(results, next(m for m in results.methods if m.name == "sasrec/pte")) is None


def test_every_counter_but_the_best_stands_beside_it(tmp_path):
    world.build(tmp_path, PUBLISHED, backbones=("popularity", "sasrec"))
    results = Results.read(tmp_path, ["shop"], world.SETTINGS | {"counters": ["popularity", "sasrec"]})
    lines = verdicts(results, results.tables[0])[0].lines
    assert lines[0].counter is None and all(line.counter[0] == lines[0].method.name for line in lines[1:])


@pytest.mark.parametrize("high", [6e-5, 6e-4, 0.006, 0.0375, 5, 1234, 123456, 1234567])
def test_no_number_of_an_axis_stands_below_its_name(high):
    drawn = drawing.lines({"a": [(1, 0), (2, high)]}, ("epoch", "training loss"), "t")
    numbers = re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="e">([^<]+)</text>', drawn)
    ((name, _),) = re.findall(r'<text x="([\d.]+)" y="[\d.]+" class="m v">([^<]+)</text>', drawn)
    wide = {".": 3.9, ",": 3.9}  # of a wide face (DejaVu Sans) at 12, whose digits have 7.7
    assert numbers and all(float(x) - sum(wide.get(c, 7.7) for c in text) > float(name) + 7 for x, text in numbers)


@needs_browser
def test_a_report_of_500_cells_is_small_and_opens_at_once(tmp_path):
    backbones = ("popularity", *(f"sasrec{n}" for n in range(8)))
    datasets = [f"shop{n}" for n in range(10)]
    world.build(tmp_path, PUBLISHED, datasets, backbones, compare="id")
    results = Results.read(tmp_path, datasets, world.SETTINGS)
    assert sum(len(seeds) for seeds in results.methods.values()) == 490
    report = tmp_path / "results/report"
    build(results, report)
    assert sum(path.stat().st_size for path in report.rglob("*") if path.is_file()) <= 20e6
    took = "document.title = String(performance.now())"
    for name in ("index", "compare", "state", "tables/shop0", "cells/shop0/cold/sasrec3/pte"):
        title, errors = browse(report / f"{name}.html", took)
        assert errors == [] and float(title) < 2000, (name, title)


def test_a_row_whose_writer_saw_held_out_items_counts_as_a_leak(folder):
    results = Results.read(folder, ["shop"], world.SETTINGS)
    found = datasets.leaks(results)
    values = results.tables[0].values
    results.tables[0].values = values.with_columns(text=pl.lit("card, users by gpt; saw held-out items"))
    names = ("dataset", "protocol", "backbone", "representation")
    rows = {(d, p, f"{b}/{r} saw held-out items") for d, p, b, r in values.select(names).iter_rows()}
    assert datasets.leaks(results) == found + sorted(rows) and rows


def test_pages_choose_the_best_among_rows_that_do_not_leak(folder, tmp_path):
    results = Results.read(folder, ["shop"], world.SETTINGS)
    (table,), text = results.tables, pl.lit("users by gpt; saw held-out items")
    before = verdicts(results, table)[0]
    best = before.lines[0].method
    leaking = (pl.col("backbone") == best.backbone) & (pl.col("representation") == best.representation)
    table.values = table.values.with_columns(text=pl.when(leaking).then(text).otherwise("text"))
    table.comparisons = table.comparisons.clear()
    found = verdicts(results, table)[0]
    assert found.sentence.startswith(f"{before.lines[1].method.name} is best")
    assert found.sentence.endswith(f" 1 of {len(before.lines)} rows saw held-out items, and are left out.")
    panel, part = next(table.panels())
    assert best not in [method for method, *_ in comparison(results, table, panel, part).points]
    table.values = table.values.with_columns(text=text)
    assert verdicts(results, table)[0].sentence.startswith(f"{best.name} is best")
    assert verdicts(results, table)[0].sentence.endswith("rows saw held-out items, and no other is here.")
    build(results, tmp_path / "report")
    assert (tmp_path / "report/compare.html").is_file()
