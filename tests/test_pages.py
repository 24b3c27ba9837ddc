"""Tables of results in pages are what the files in docs/results/ say, and say where they are from."""

import csv
import importlib.util
import re
import shutil

import pytest

from ptebench.errors import InputError
from tests.conftest import REPOSITORY

spec = importlib.util.spec_from_file_location("pages", REPOSITORY / "docs/pages.py")
pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pages)

WITH_RESULTS = [page for page in pages.pages() if pages.PART.search(page.read_text())]
DESCRIBED = {"README.md", "benchmarks/README.md"}


@pytest.mark.parametrize("page", WITH_RESULTS, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_says_what_its_data_say(page):
    assert pages.rewrite(page.read_text(), page) == page.read_text(), "run `make pages`"


def test_every_file_of_results_is_on_a_page_and_has_a_source():
    shown = {name for page in WITH_RESULTS for name, *_ in pages.PART.findall(page.read_text())}
    files = {path.stem for path in pages.RESULTS.glob("*.csv")} - {"sources"}
    assert shown == files == set(pages.sources())
    assert all(source["commit"] and source["seeds"] or source["note"] for source in pages.sources().values())


def tables_of_numbers(text):
    """Return the tables of Markdown of whose cells a third or more are numbers."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = [cell.strip() for row in table.splitlines()[2:] for cell in row.strip("|").split("|")]
        if sum(bool(re.match(r"\W*\d", cell)) for cell in cells) > len(cells) / 3:
            yield table


@pytest.mark.parametrize(
    "page",
    [p for p in pages.pages() if p.parent.name == "notebook" or str(p.relative_to(REPOSITORY)) in DESCRIBED],
    ids=lambda p: p.name,
)
def test_no_table_of_numbers_is_typed(page):
    assert not list(tables_of_numbers(pages.PART.sub("", page.read_text())))


def test_a_typed_table_and_a_changed_value_are_seen(tmp_path):
    assert list(tables_of_numbers("| a | b |\n|---|---|\n| x | 1.0 |\n"))
    folder = tmp_path / "results"
    shutil.copytree(pages.RESULTS, folder)
    page = REPOSITORY / "docs/guide/demo.md"
    data = folder / "demo_cold_start.csv"
    (value,) = {
        row["mean"]
        for row in csv.DictReader(data.open())
        if row["backbone"] == "markov" and row["metric"] == "NDCG" and row["k"] == "10"
    }
    data.write_text(data.read_text().replace(value, "0.98765"))
    assert "0.9877 ± " in pages.rewrite(page.read_text(), page, folder) and "0.9877" not in page.read_text()


def test_results_without_a_source_are_refused():
    with pytest.raises(InputError, match="no docs/results/nowhere.csv"):
        pages.rewrite("<!-- results: nowhere -->\n<!-- end -->", REPOSITORY / "README.md")
