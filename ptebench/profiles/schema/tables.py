"""Tables of profiles (the PROFILES contract), and their fields by dense id."""

import json

import numpy as np
import polars as pl

from ptebench.files import PROFILES, read_table
from ptebench.provenance import digest
from ptebench.randomness import generator


def profiles_frame(ids, texts, fields, digests, generation) -> pl.DataFrame:
    """Return profiles in the shape of the PROFILES contract; `fields` are dicts or None."""
    return pl.DataFrame(
        {
            "id": np.asarray(ids, dtype=np.int32),
            "text": texts,
            "fields": pl.Series([f and json.dumps(f, ensure_ascii=False) for f in fields], dtype=pl.String),
            "prompt_sha256": digests,
            "generation": pl.Series([json.dumps(g) for g in generation], dtype=pl.String),
        }
    )


def with_unknown(frame: pl.DataFrame, ids: list[int]) -> pl.DataFrame:
    """Return the profiles of all `ids`: one of whom nothing may be known before the test has an empty text."""
    unknown = sorted(set(ids) - set(frame["id"]))
    blank = profiles_frame(
        unknown, [""] * len(unknown), [None] * len(unknown), [digest("")] * len(unknown), [{}] * len(unknown)
    )
    return pl.concat([frame, blank.cast(frame.schema)]).sort("id")


def fields_by_id(profiles: pl.DataFrame) -> dict[int, dict]:
    """Return the fields of profiles by dense id; profiles that could not be parsed are left out."""
    profiles = profiles.drop_nulls("fields")
    return dict(zip(profiles["id"].to_list(), map(json.loads, profiles["fields"].to_list())))


def read_profiles(path) -> dict[int, dict]:
    """Read the fields of profiles by dense id."""
    return fields_by_id(read_table(path, PROFILES))


def shuffle(profiles: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return the profiles with texts and fields moved among those that were parsed, none to its own place."""
    parsed = profiles.drop_nulls("fields")
    order = generator(seed, "shuffled").permutation(parsed.height)
    others = parsed[np.roll(order, 1)].with_columns(id=parsed["id"][order])
    return pl.concat([others, profiles.filter(pl.col("fields").is_null())]).sort("id")


def texts_by_id(frame: pl.DataFrame) -> dict[int, str]:
    """Return texts by dense id."""
    return dict(zip(frame["id"].to_list(), frame["text"].to_list()))


def first_parses(frame: pl.DataFrame) -> np.ndarray:
    """Return of which profiles the first answer was one (n,); what was decoded within the grammar is no answer."""
    within = frame["generation"].fill_null("{}").str.contains("within the grammar", literal=True)
    return (frame["fields"].is_not_null() & ~within).to_numpy()
