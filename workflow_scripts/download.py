"""Fetch raw files that are missing; say of those that cannot be fetched how to get them.

python -m workflow_scripts.download --files '{"PATH": {"url": "https://...", "licence": "..."}, ...}'
"""

import argparse
import json
import sys
from pathlib import Path

from ptebench.data.downloads import advice, fetch
from ptebench.files import InputError


def main(files: dict[str, dict | None]) -> list[str]:
    """Fetch the files that have a URL and return a sentence on each that is still missing."""
    missing = []
    for path, facts in files.items():
        try:
            if "url" not in (facts or {}):
                raise InputError(advice(path, facts))
            print(f"{path}: from {facts['url']} (terms: {facts['licence']})", flush=True)
            record = fetch(Path(path), facts)
            print(f"{path}: {record['bytes']:,} bytes; verified: {record['verified']}", flush=True)
        except InputError as error:
            missing.append(str(error))
        except OSError as error:  # such as a full disk
            missing.append(f"{path}: {error.strerror}; mend this and run `snakemake download` again")
    return missing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=json.loads, required=True, help="what is known of each missing file, JSON")
    files = parser.parse_args().files
    if not files:
        print("no raw file is missing")
    if missing := main(files):
        sys.exit("\n".join(f"error: {sentence}" for sentence in missing))
