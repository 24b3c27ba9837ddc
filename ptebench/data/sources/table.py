"""Any table: CSV, TSV, Parquet or JSON lines whose columns the configuration names."""

from pathlib import Path

from ptebench.data.interactions import read_interactions
from ptebench.data.items import none, read_items
from ptebench.data.reading import Reading
from ptebench.files import InputError
from ptebench.raw.lines import Malformed


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts; columns for timestamp and rating may lack."""
    malformed = Malformed(settings["max_bad_rows"])
    path, columns = paths["interactions"][0], settings["columns"]
    if missing := {"user_id", "item_id"} - set(columns):
        raise InputError(f"columns: {sorted(missing)[0]} is not named; name the column of {path} that holds it")
    interactions = read_interactions(path, columns, malformed)
    items = read_items(paths["items"][0], settings["item_columns"], malformed) if "items" in paths else none()
    return Reading(interactions, items, malformed)
