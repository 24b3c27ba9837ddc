"""Helpers of the data tests: settings with their defaults, raw files, one reading."""

import gzip
import json
from importlib import import_module
from pathlib import Path

import polars as pl

from ptebench.data.filters import collect_items, prepare

DEFAULTS = {
    "user_core": 0, "item_core": 0, "core": "iterative", "duplicates": "keep", "min_rating": None, "start": None, "end": None,
    "tie_break": "file", "tie_seed": 0, "max_bad_rows": 0, "user_column": True, "history": True, "impressions": False, "item_columns": {},
}  # fmt: skip


def put(path: Path, content, encoding: str = "utf-8") -> Path:
    """Write text, or a list of JSON values as lines; gzip where the name ends in .gz."""
    if isinstance(content, list):
        content = "".join(json.dumps(value) + "\n" for value in content)
    data = content if isinstance(content, bytes) else content.encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(source: str, paths: dict, **settings):
    """Return interactions, items and counts as the job `interactions` makes them."""
    settings = DEFAULTS | {"source": source} | settings
    files = {name: value if isinstance(value, list) else [value] for name, value in paths.items()}
    raw = import_module(f"ptebench.data.sources.{source}").read(files, settings)
    raw.check()
    interactions, dropped = prepare(raw.interactions, settings)
    items, found = collect_items(raw.items, interactions)
    return pl.concat(interactions).collect(), items, raw.counts | dropped | found
