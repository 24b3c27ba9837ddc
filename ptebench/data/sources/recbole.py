"""RecBole's atomic files: .inter and .item, tab-separated, with `name:type` in the first line."""

from pathlib import Path

from ptebench.data.interactions import read_interactions
from ptebench.data.items import none, read_items
from ptebench.data.reading import Reading
from ptebench.raw.lines import Malformed


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions, items and counts; `columns` and `item_columns` name what is named otherwise than here.

    Of the columns of .item only those of ITEMS are read: others, such as review counts, may leak interactions.
    """
    malformed = Malformed(settings["max_bad_rows"])
    columns = {name: name for name in ("user_id", "item_id", "timestamp", "rating")} | settings["columns"]
    may_lack = {"timestamp", "rating"} - set(settings["columns"])
    interactions = read_interactions(paths["inter"][0], columns, malformed, may_lack)
    items = none()
    if "item" in paths:
        items = read_items(paths["item"][0], settings["item_columns"], malformed, settings["seq_separator"])
    return Reading(interactions, items, malformed)
