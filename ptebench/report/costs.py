"""What each row of a table took: parameters, trials of its settings, seconds."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ptebench.files import read_json

COSTS = {
    "dataset": pl.String, "protocol": pl.String, "backbone": pl.String, "representation": pl.String,
    "text": pl.String, "parameters": pl.Int64, "seeds": pl.Int64, "seconds": pl.Float64, "cpu_seconds": pl.Float64,
    "trials": pl.Int64, "trial_seconds": pl.Float64, "trial_cpu_seconds": pl.Float64,
}  # fmt: skip


def total(records: Sequence[dict], key: str) -> float:
    """Return the sum of a key of records, in seconds."""
    return round(sum(record[key] for record in records), 1)


def build_costs(spec: dict, metrics: pl.DataFrame, records: Sequence[Path], trials: Sequence[Path]) -> pl.DataFrame:
    """Return the COSTS frame: `seconds` are the mean of a row's trainings, `trial_seconds` the sum of its study.

    `spec` as of `tables.build`, with the number of `trials` of each of its rows, none where nothing is tuned. records:
    of the training of each seed of each row; trials: of all trials of each row. `metrics` has what rows read.
    """
    of_trainings, of_trials, rows = iter(records), iter(trials), []
    names = ("dataset", "protocol", "backbone", "representation")
    for (*method, seeds), number in zip(spec["cells"], spec["trials"], strict=True):
        trainings = [read_json(next(of_trainings)) for _ in seeds]
        study = [read_json(next(of_trials)) for _ in range(number)]
        place = dict(zip(names, method, strict=True))
        row = place | {"text": metrics.filter(**place)["text"].first(), "parameters": trainings[0]["parameters"]}
        row |= {"seeds": len(seeds), "trials": number}
        for key, name in (("wall_seconds", "seconds"), ("cpu_seconds", "cpu_seconds")):
            row |= {name: round(total(trainings, key) / len(seeds), 1), f"trial_{name}": total(study, key)}
        rows.append(row)
    return pl.DataFrame(rows, schema=COSTS)
