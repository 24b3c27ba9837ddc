"""The licence of every package that `make` installs, as the installed packages tell it, as a page.

.venv/bin/python docs/licences.py > docs/guide/licences.md
"""

import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = """# Licences

This repository is under the [MIT licence](https://opensource.org/license/mit). What `make` installs beside it is below:
every package of `requirements.txt` and `requirements-torch.txt`, with torch for GPUs of `requirements-cuda.txt`, for
tests of `requirements-tests.txt`, with the licence that the installed package tells of itself. `make lock` writes this
page again. NVIDIA's libraries, models and raw data have terms of their own ([datasets](datasets.md)).

| package | version | licence |
|---|---|---|
{rows}
"""
NOWHERE = "installed on other systems only: not looked at here"


def pins() -> dict[str, str]:
    """Return the version of each package."""
    texts = [
        (ROOT / f"requirements{name}.txt").read_text(encoding="utf-8") for name in ("", "-torch", "-cuda", "-tests")
    ]
    return dict(sorted(re.findall(r"(?m)^([\w.-]+)==([\w.+-]+)", "\n".join(texts))))


def licence(name: str) -> str:
    """Return the licence that an installed package tells: its expression, its classifiers, or its text's first line."""
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return NOWHERE
    told = package.metadata
    kinds = [kind.rpartition(" :: ")[2] for kind in told.get_all("Classifier") or [] if kind.startswith("License ::")]
    texts = [
        file.read_text() for file in package.files or [] if "licen" in file.name.lower() and ".dist-info" in str(file)
    ]
    first = [line.strip() for text in [told.get("License") or "", *texts] for line in text.splitlines() if line.strip()]
    answer = told.get("License-Expression") or ", ".join(kinds) or next(iter(first), "")
    return answer if answer and answer != "UNKNOWN" else "not told"


def render() -> str:
    """Return the page."""
    return PAGE.format(rows="\n".join(f"| {name} | {version} | {licence(name)} |" for name, version in pins().items()))


if __name__ == "__main__":
    print(render(), end="")
