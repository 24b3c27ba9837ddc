"""Profiles that somebody supplies."""

from pathlib import Path

import polars as pl

from ptebench.files import InputError
from ptebench.lists import lists
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.fields import PHRASES
from ptebench.profiles.schema.parse import repaired
from ptebench.raw.columns import ids, owner_keys, present, refuse_repeats
from ptebench.raw.lines import Malformed
from ptebench.raw.tables import table


def supplied(path: Path, raw: dict[str, int], side: str) -> tuple[dict[int, dict], dict]:
    """Read supplied profiles of one side: dense id -> fields, and the counts of rows used and left out.

    A table as of a dataset (raw.tables), the names of its columns in any case. The key is in `user_id` / `item_id` /
    `id` / `UID`; the profile in `text` / `output` / `response` / `completion` / `profile`. A record without a text is
    unusable. Raises InputError where a key is missing or stands in two rows, or where no profile can be used.
    """
    keys, texts = owner_keys(side), ("text", "output", "response", "completion", "profile")
    frame = table(path, [], Malformed(), [*keys, *texts], lower=True)
    told = frame.select(lists(frame[name], f"{path}: column {name!r}").list.join(" ").alias(name)
                        for name in frame.columns if name != "@line")  # fmt: skip
    key, text = (pl.coalesce([pl.lit(None, pl.String), *(read(pl.col(n)) for n in names if n in told.columns)])
                 for read, names in ((ids, keys), (present, texts)))  # fmt: skip
    rows = told.select(key=key, text=text, line=frame["@line"])
    bare = rows.filter(pl.col("key").is_null())
    if bare.height or not rows["text"].count():
        line = (bare if bare.height else rows)["line"][0]
        raise InputError(
            f"{path}: line {line}: expected a key in one of {', '.join(keys)} and a profile in one of "
            f"{', '.join(texts)}; name the columns so, and write a key in each record"
        )
    refuse_repeats(path, rows["key"], rows["line"])
    used, counts = {}, {"rows": rows.height, "unknown": 0, "unusable": 0}
    for key, text in rows.select("key", "text").iter_rows():
        fields, _ = repaired(text or "", side)
        if (dense := raw.get(key)) is None:
            counts["unknown"] += 1
        elif fields is None:
            counts["unusable"] += 1
        else:
            used[dense] = fields
    if not used:
        raise InputError(
            f"{path}: none of {rows.height} profiles can be used ({counts['unknown']} of unknown {side}s, "
            f"{counts['unusable']} not in the schema); expected {PHRASES[side]} roles and {PHRASES[side]} interests, "
            f"keyed by raw {side} id, such as {next(iter(raw), '')!r} (the file has {rows['key'][0]!r})"
        )
    return used, counts | {"used": len(used)}


def supplied_sides(files: dict[str, Path], split: Split) -> tuple[dict[str, dict], dict[str, dict]]:
    """Return what files supply for a split, by side: fields by dense id, and the counts of `supplied`."""
    fields, counts = {}, {}
    for side, path in files.items():
        words = split.vocabulary.filter(side=side)
        fields[side], counts[side] = supplied(path, dict(zip(words["raw"], words["id"])), side)
    return fields, counts
