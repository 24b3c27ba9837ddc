"""Writes the report: a folder of pages that open from the disk, linked with each other and with nothing else."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ptebench.files import replace_folder, write_text
from ptebench.report import rendering
from ptebench.report.references import judge_mean
from ptebench.report.site import compare, datasets, drawing, information, methods, texts
from ptebench.report.site.results import Results, Table
from ptebench.report.site.verdicts import verdicts
from ptebench.report.statistics import format_statistic

ASSETS = ("style.css", "script.js")
LOG = 2**18  # bytes of a log that the report has, from its end
TEMPLATES = Path(__file__).with_name("templates")


class Site:
    """A folder of pages, each made from a template."""

    def __init__(self, folder: Path, results: Results):
        self.folder, self.results = folder, results
        self.templates = Environment(
            loader=PackageLoader("ptebench.report.site"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self.templates.globals |= {"tables": results.tables, "rendering": rendering}
        self.templates.globals |= {"log_page": results.log_page, "sample": results.records.sample}
        self.templates.filters |= {"seconds": seconds, "plain": plain, "statistic": format_statistic}

    def write(self, path: str, template: str, **shown: Any) -> None:
        """Write a page; `root` leads from it to the folder of the report."""
        text = self.templates.get_template(template).render(root="../" * path.count("/"), **shown)
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_text(text, self.folder / path)


def seconds(value: float) -> str:
    """Return a duration as a reader wants it."""
    if value < 100:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def plain(value: Any) -> str:
    """Return a setting as YAML would have it."""
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def build(results: Results, folder: Path) -> None:
    """Write all pages of a report into a folder, which they replace once they are whole."""
    making = folder.with_name(f".{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    _pages(results, making)
    replace_folder(making, folder)


def _pages(results: Results, folder: Path) -> None:
    for name in ASSETS:
        shutil.copyfile(TEMPLATES / name, folder / name)
    site = Site(folder, results)
    written = texts.texts(results)
    for _, failure in results.failures():
        _log(site, failure)
    _tables(site)
    for method in results.methods:
        _method(site, method)
    for dataset in dict.fromkeys(dataset for dataset, _ in results.pairs):
        site.write(
            f"data/{dataset}.html", "dataset.html.j2", dataset=dataset, splits=datasets.splits(results, dataset),
            statistics=datasets.statistics(results, dataset), drawing=datasets.distributions(results, dataset),
        )  # fmt: skip
    for text in written:
        site.write(text.page, "profiles.html.j2", text=text)
    analyses = information.analyses(results)
    for analysis in analyses:
        site.write(analysis.page, "information.html.j2", analysis=analysis)
    parts = ((table, *own) for table in results.tables for own in table.panels())
    sound = [own for own in parts if not own[2].select(rendering.LEAKS.all()).item()]
    panels = [(table, compare.comparison(results, table, panel, part)) for table, panel, part in sound]
    site.write("compare.html", "compare.html.j2", panels=panels, agreements=compare.agreements(results))
    records = results.records
    problems: dict[str, Any] = {
        "failed": list(results.failures()),
        "stale": list(records.stale()), "unexplained": list(records.unexplained()),
        "uneven": list(records.uneven()), "leaks": datasets.leaks(results),
    }  # fmt: skip
    command = results.settings["command"]
    site.write("state.html", "state.html.j2", **problems, number=len(records.all), command=command)
    counts = {name: len(found) for name, found in problems.items()}
    found = [(table, results.claims(table), verdicts(results, table)) for table in results.tables]
    site.write(
        "index.html", "index.html.j2", found=found, texts=written, analyses=analyses, counts=counts, facts=facts(results)
    )  # fmt: skip


def facts(results: Results) -> dict[str, Any]:
    """Return what the first page says of the whole: counts, the newest job, the time of all jobs."""
    records = results.records.all
    cells = sum(len(seeds) for seeds in results.methods.values())
    return {
        "cells": cells, "rows": len(results.methods), "records": len(records),
        "datasets": list(dict.fromkeys(dataset for dataset, _ in results.pairs)),
        "seconds": sum(record.seconds for record in records),
        "newest": max(record.data["started"] for record in records),
        "python": ", ".join(sorted({record.data["environment"]["python"] for record in records})),
    }  # fmt: skip


def _log(site: Site, failure: dict[str, str]) -> None:
    """Write the end of the log of a failure, where it is there."""
    if page := site.results.log_page(failure):
        (site.folder / page).parent.mkdir(parents=True, exist_ok=True)
        content = (site.results.root / failure["log"]).read_bytes()[-LOG:]
        write_text(content.decode(errors="replace"), site.folder / page)


def _tables(site: Site) -> None:
    for table in site.results.tables:
        panels = []
        for (panel, part), (heading, names, rows) in zip(table.panels(), rendering.panels(table.values), strict=True):
            first = [(f"{b}/{r}", v[0]["mean"], v[0]["low"], v[0]["high"]) for b, r, v in rows]
            drawn = drawing.intervals(first, names[0], f"{names[0]} with 95 % intervals, {heading}")
            outside = {(b, r) for b, r, _ in rows if site.results.external(methods.Method(*panel[:2], b, r))}
            panels.append((panel, heading, names, rows, rendering.letters(rows), outside, drawn))
        site.write(
            f"tables/{table.name}.html", "table.html.j2", table=table, panels=panels, references=references(table),
            verdicts=verdicts(site.results, table), claims=site.results.claims(table), note=rendering.note(table.values),
            sources=rendering.sources(table.values),
        )  # fmt: skip


def references(table: Table) -> Counter[str]:
    """Return how many values of a table stand above, at and below published ones."""
    given = datasets.published(table.values).iter_rows(named=True)
    return Counter(judge_mean(v["mean"], v["published"], v["published_sd"]) for v in given)


def _method(site: Site, method: methods.Method) -> None:
    results = site.results
    drawn, numbers = methods.ranks(results, method)
    seeds = results.methods[method]
    steps = results.records.chain(methods.ranking_path(method, seeds[0]))
    site.write(
        method.page, "method.html.j2", method=method, seeds=seeds, settings=methods.settings(results, method),
        neighbours=methods.neighbours(results, method), curves=methods.curves(results, method), ranks=drawn,
        numbers=numbers, groups=methods.groups(results, method), costs=methods.cost(results, method), steps=steps,
        shown=[table for table in results.tables if table.shows(method)],
        command=results.settings["command"], control=results.control(method),
        longest=methods.longest(results, method),
        digests=[(s, f, d) for s in seeds for f, d in results.ranking(method, s).data["outputs"].items()],
    )  # fmt: skip
