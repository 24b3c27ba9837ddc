"""Write the sources of the documentation's site: pages, the files that they link to, a reference of the library.

    python docs/site.py FOLDER

The tree of pages is that of the repository, so that links between pages stay as they are.
"""

import json
import re
import shutil
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = ("*.md", "benchmarks/README.md", "docs/**/*.md")
LINK = re.compile(r"(?<=\]\()[^)#:\s]+(?=[)#])")


def write_site(folder: Path) -> None:
    """Write the configuration and the pages of a site, in place of the former ones and what was built of them."""
    for former in ("pages", "html"):
        shutil.rmtree(folder / former, ignore_errors=True)
    for page in [page for pattern in PAGES for page in REPOSITORY.glob(pattern)]:
        copy(page, folder)
    reference = ""
    for package in sorted(path.parent for path in (REPOSITORY / "ptebench").rglob("__init__.py")):
        modules = [dotted(path) for path in sorted(package.glob("[!_]*.py"))]
        if modules:
            page, parts = f"reference/{dotted(package)}.md", "\n\n".join(f"::: {module}" for module in modules)
            write(folder / "pages" / page, f"# {dotted(package)}\n\n{parts}\n")
            reference += f"      - {dotted(package)}: {page}\n"
    settings = (REPOSITORY / "docs/site.yml").read_text().replace("REPOSITORY", json.dumps(str(REPOSITORY)))
    write(folder / "mkdocs.yml", f"{settings}  - Reference:\n{reference}")


def copy(page: Path, folder: Path) -> None:
    """Write a page of the site, and the pictures and source files that it links to."""

    def mend(link: re.Match) -> str:
        path = (page.parent / link[0]).resolve()
        name = path.relative_to(REPOSITORY)
        if path.suffix in (".svg", ".png"):
            write(folder / "pages" / name, path.read_bytes())
        elif path.suffix != ".md":
            code = f"`````{path.suffix[1:]}\n{path.read_text()}`````\n"
            write(folder / "pages" / f"{name}.md", f"---\nsearch: {{exclude: true}}\n---\n# {name}\n\n{code}")
            return f"{link[0]}.md"
        return link[0]

    write(folder / "pages" / page.relative_to(REPOSITORY), LINK.sub(mend, page.read_text()))


def write(path: Path, content: str | bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def dotted(path: Path) -> str:
    """Return the import name of a module or package."""
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)


if __name__ == "__main__":
    write_site(Path(sys.argv[1]))
