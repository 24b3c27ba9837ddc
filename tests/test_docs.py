"""Every link of the documentation leads somewhere."""

import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec

import pytest

from ptebench.config.read import base_of
from tests.conftest import REPOSITORY

PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "benchmarks/README.md"])
SOURCES = [
    REPOSITORY / name for name in ("Makefile", "Snakefile", "config.yaml", "config.schema.json", "pyproject.toml")
]
for folder in ("ptebench", "workflow_scripts", "rules", "configs", "tests", "benchmarks"):
    SOURCES += [path for suffix in ("py", "smk", "yaml") for path in (REPOSITORY / folder).rglob(f"*.{suffix}")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(text):
    """Return a page without its blocks of code."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"^    .*$", "", text, flags=re.MULTILINE)


def anchors(text):
    """Return the anchors of a page's headings, as GitHub makes them."""
    repeats = Counter()
    for heading in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        yield f"{slug}-{repeats[slug]}" if repeats[slug] else slug
        repeats[slug] += 1


def broken(path, text):
    """Return the links of a page that lead nowhere."""
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "code", prose(text))):
        target, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        page = path.parent / target
        if not page.exists() or (anchor and anchor not in anchors(page.read_text() if target else text)):
            yield link


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_to_files_and_headings(path):
    assert not list(broken(path, path.read_text()))


def test_no_line_of_the_readme_is_wider_than_a_terminal():
    assert not [line for line in (REPOSITORY / "README.md").read_text().splitlines() if len(line) > 120]


def test_a_broken_link_or_anchor_is_seen():
    page = REPOSITORY / "docs/page.md"
    text = "# One `two` [three](x)\n\n[](y.md) [](#one) [](#one-two-three) [](../README.md#no) [](https://x)\n"
    assert list(broken(page, text)) == ["x", "y.md", "#one", "../README.md#no"]


def test_pages_that_code_and_comments_name_exist():
    for path in SOURCES:
        for name in re.findall(r"\bdocs/[\w/]+\.(?:md|svg)", path.read_text(errors="ignore")):
            assert path.name == "test_docs.py" or (REPOSITORY / name).exists(), f"{path}: {name}"


def test_every_page_is_reached_from_the_index():
    index = (REPOSITORY / "docs/index.md").read_text()
    names = {str(path.relative_to(REPOSITORY / "docs")) for path in (REPOSITORY / "docs").rglob("*.md")} - {"index.md"}
    assert names == {link for link in LINK.findall(index) if not link.startswith("..")}


def test_the_page_on_use_names_every_benchmark_with_what_it_is_laid_over():
    page = (REPOSITORY / "docs/guide/use.md").read_text()
    section = page.partition("## Benchmarks on real data")[2].partition("\n## ")[0]
    lines = re.findall(r"^- \[?(`\w+`)(.*)$", section, re.MULTILINE)
    files = {f"`{path.stem}`": path for path in (REPOSITORY / "configs").glob("*.yaml")}
    assert sorted(name for name, _ in lines) == sorted(files)
    for name, text in lines:
        over = base_of(files[name]) or ""
        bases = {f"`{base}`" for base in re.findall(r"(\w+)\.yaml", over)}
        assert ("laid over" in text) == bool(over) and bases <= set(re.findall(r"`\w+`", text)), f"{name}: {over}"


def test_the_page_on_architecture_names_every_rule_and_package():
    page = (REPOSITORY / "docs/architecture.md").read_text()
    text = "".join(path.read_text() for path in (REPOSITORY / "rules").glob("*.smk"))
    packages = [f"ptebench/{path.parent.name}/" for path in (REPOSITORY / "ptebench").glob("*/__init__.py")]
    packages += [f"{path.parent.name}/" for path in (REPOSITORY / "ptebench/profiles").glob("*/__init__.py")]
    for name in [*re.findall(r"^(?:rule|use rule \w+ as) (\w+)", text, re.MULTILINE), *packages]:
        assert f"`{name}`" in page, name


@pytest.mark.skipif(not find_spec("zensical"), reason="zensical is not installed; `make docs` installs it")
def test_the_site_builds_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", tmp_path / "site/mkdocs.yml"]
    subprocess.run([sys.executable, REPOSITORY / "docs/site.py", tmp_path / "site"], check=True)
    subprocess.run(build, check=True)
    html = {str(path.relative_to(tmp_path / "site/html")) for path in (tmp_path / "site/html").rglob("*.html")}
    assert {"index.html", "docs/architecture.html", "reference/ptebench.plan.html"} <= html
