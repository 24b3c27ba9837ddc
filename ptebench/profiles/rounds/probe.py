"""The probes: owners of whom no lesson tells, on whom each round is measured."""

import polars as pl

from ptebench.files import PROFILES, read_table

CANDIDATES = 49  # that a held-out item is ranked against


def probe_profiles(path, ids: list[int]) -> pl.DataFrame:
    """Return the profiles of the probes, by id."""
    return read_table(path, PROFILES).filter(pl.col("id").is_in(ids)).sort("id")
