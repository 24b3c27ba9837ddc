"""Write the tables of the documentation's pages from the files in docs/results/; no number of a table is typed.

    python docs/pages.py                        # every page again (`make pages`)
    python docs/pages.py take NAME TABLE.csv    # a table of results/ becomes docs/results/NAME.csv, with its source

A page says `<!-- results: NAME -->` ... `<!-- end -->`; what stands between is written here. `key=value` after the name
keeps rows of one value. docs/results/sources.csv says where each file is from.
"""

import csv
import io
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

from ptebench.errors import InputError
from ptebench.files import read_json, read_table, write_text
from ptebench.report.markdown import verdicts
from ptebench.report.rendering import lead_mark, letters, panels, value_text
from ptebench.report.tables import TABLE

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "docs/results"
PAGES = ("README.md", "benchmarks/README.md", "docs/**/*.md")
PART = re.compile(r"<!-- results: (\S+)((?: \S+=\S+)*) -->\n(.*?)<!-- end -->", re.DOTALL)
SOURCE = ("name", "commit", "command", "machine", "versions", "seeds", "note")
NUMBER = re.compile(r"[*<>~+−-]*[\d.,]+( ?%| s)?( ± [\d.,]+)?[*]*( \([^()]*\))?")


def pages() -> list[Path]:
    return [page for pattern in PAGES for page in sorted(REPOSITORY.glob(pattern))]


def sources(folder: Path = RESULTS) -> dict[str, dict[str, str]]:
    """Return the source of each file of results by its name."""
    with open(folder / "sources.csv", newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def render(name: str, where: dict[str, str], page: Path, folder: Path = RESULTS) -> str:
    """Return a file of results as the Markdown of a page, with a line that says where it is from."""
    path = folder / f"{name}.csv"
    known = sources(folder)
    if name not in known or not path.exists():
        raise InputError(f"{page}: no docs/results/{name}.csv with a row in sources.csv; take it from a table")
    lines = _values(path, where) if path.read_text().startswith("dataset,protocol,ranking") else _plain(path)
    link = os.path.relpath(path, page.parent).replace(os.sep, "/")
    return "\n".join([*lines, "", f"<sub>[Data]({link}):", f"{describe(known[name])}.</sub>", ""])


def describe(source: dict[str, str]) -> str:
    """Return a source in words."""
    parts = [f"commit {source['commit']}"] if source["commit"] else []
    parts += [source[key] for key in ("machine", "versions", "note") if source[key]]
    parts += [f"seeds {source['seeds']}"] if source["seeds"] else []
    return "; ".join(parts)


def _plain(path: Path) -> list[str]:
    """Return a table whose cells are as they are shown."""
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    right = [sum(bool(NUMBER.fullmatch(row[n])) for row in rows) * 2 > len(rows) for n in range(len(head))]
    line = "|".join("---:" if of and n else "---" for n, of in enumerate(right))
    shown = [f"| {' | '.join(head)} |", f"|{line}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return [row.replace("|  |", "| |").replace("|  |", "| |") for row in shown]


def _values(path: Path, where: dict[str, str]) -> list[str]:
    """Return a table of the workflow: means with half of the interval and marks, a heading for each panel."""
    lines = []
    for heading, names, rows in panels(read_table(path, TABLE).filter(**where)):
        lines += ["", f"**{heading}**", "", f"| backbone | representation | {' | '.join(names)} |"]
        lines += [f"|---|---|{'---:|' * len(names)}"]
        labels = letters(rows)
        for backbone, representation, values in rows:
            cells = [value_text(v, "**{}**", "<ins>{}</ins>") + lead_mark(v, labels, "<sup>{}</sup>") for v in values]
            lines.append(f"| {backbone} | {representation} | {' | '.join(cells)} |")
        lines += verdicts(rows)
    return lines[1:]


def rewrite(text: str, page: Path, folder: Path = RESULTS) -> str:
    """Return a page with every part written again."""

    def part(found: re.Match[str]) -> str:
        where = dict(pair.split("=", 1) for pair in found[2].split())
        return f"<!-- results: {found[1]}{found[2]} -->\n{render(found[1], where, page, folder)}<!-- end -->"

    return PART.sub(part, text)


def take(name: str, table: Path) -> None:
    """Copy a table of results/ to docs/results/, and note what its records say of it."""
    frame = read_table(table, TABLE)
    root = table.resolve().parents[2]
    records = [read_json(root / path) for cell in frame["provenance"].unique().sort() for path in cell.split(";")]
    environment = records[0]["environment"]
    if any(record["environment"] != environment for record in records):
        raise InputError(f"{table}: its cells were made in several environments; make them again in one")
    git = subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    made = {
        "name": name, "commit": git.stdout.strip(), "command": f"snakemake {table.relative_to(table.parents[2])}",
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "versions": f"Python {environment['python']}, torch {environment['packages']['torch']}",
        "seeds": ", ".join(sorted({str(record["seed"]) for record in records})), "note": "",
    }  # fmt: skip
    write_text(table.read_text(), RESULTS / f"{name}.csv")
    write_sources({**sources(), name: made})


def write_sources(known: dict[str, dict[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, SOURCE, lineterminator="\n")
    writer.writeheader()
    writer.writerows(known[name] for name in sorted(known))
    write_text(text.getvalue(), RESULTS / "sources.csv")


def processor() -> str:
    """Return the name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["take"]:
        take(arguments[1], Path(arguments[2]))
    for page in pages():
        text = page.read_text()
        if (new := rewrite(text, page)) != text:
            write_text(new, page)
            print(page.relative_to(REPOSITORY))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
