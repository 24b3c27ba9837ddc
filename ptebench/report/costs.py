"""What each row of a table took: parameters, trials of its settings, seconds, those of its text and embedding too."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ptebench.files import read_json
from ptebench.records import record_of

COSTS = {
    "dataset": pl.String, "protocol": pl.String, "backbone": pl.String, "representation": pl.String,
    "text": pl.String, "parameters": pl.Int64, "seeds": pl.Int64, "seconds": pl.Float64, "cpu_seconds": pl.Float64,
    "trials": pl.Int64, "trial_seconds": pl.Float64, "trial_cpu_seconds": pl.Float64,
    "embedding_seconds": pl.Float64, "embedding_cpu_seconds": pl.Float64,
    "text_seconds": pl.Float64, "text_cpu_seconds": pl.Float64, "still_rising": pl.Int64,
}  # fmt: skip
MAKERS = (("results", "embeddings"), ("results", "profiles"))


def total(records: Sequence[dict], key: str) -> float:
    """Return the sum of a key of records, in seconds."""
    return round(sum(record[key] for record in records), 1)


def behind(record: dict) -> dict[Path, dict | None]:
    """Return the records of the jobs that made the texts and vectors that a job read; None of one that is gone.

    Those that taught a language model are among them. A path is that of the record, or of the file that has none.
    """
    jobs: dict[Path, dict | None] = {}
    todo = [record]
    while todo:
        for path in map(Path, todo.pop().get("inputs", {})):
            if path.parts[:2] not in MAKERS:
                continue
            place = record_of(path)
            if (place or path) not in jobs:
                jobs[place or path] = job = read_json(place) if place else None
                todo += [job] if job else []
    return jobs


def spent(jobs: Sequence[dict | None], key: str) -> float | None:
    """Return the sum of a key of records, in seconds; None where one is gone."""
    there = [job for job in jobs if job is not None]
    return total(there, key) if len(there) == len(jobs) else None


def build_costs(spec: dict, metrics: pl.DataFrame, records: Sequence[Path], trials: Sequence[Path]) -> pl.DataFrame:
    """Return the COSTS frame: `seconds` are the mean of a row's trainings, `trial_seconds` the sum of its study.

    `embedding_seconds` are those of the alignment that a row reads, `text_seconds` of its text: teaching and asking the
    language model, and the encoder. Rows that read the same share them.

    `still_rising` is the number of seeds whose last epoch was their best, at a constant rate.

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
        row["still_rising"] = sum(training.get("still_rising", False) for training in trainings)
        jobs = list(behind(trainings[0]).values())
        aligning = [job for job in jobs if job is None or job["script"] == "align"]
        writing = [job for job in jobs if job is None or job["script"] != "align"]
        for key, name in (("wall_seconds", "seconds"), ("cpu_seconds", "cpu_seconds")):
            row |= {f"embedding_{name}": spent(aligning, key), f"text_{name}": spent(writing, key)}
            row |= {name: round(total(trainings, key) / len(seeds), 1), f"trial_{name}": total(study, key)}
        rows.append(row)
    return pl.DataFrame(rows, schema=COSTS)


def rising(costs: pl.DataFrame) -> list[str]:
    """Return a sentence that names the rows whose training ended while it still rose, none where there are none."""
    rows = [
        f"{row['backbone']}/{row['representation']} of {row['dataset']}, {row['protocol']} "
        f"({row['still_rising']} of {row['seeds']} seeds)"
        for row in costs.filter(pl.col("still_rising") > 0).iter_rows(named=True)
    ]
    return [f"Still rising as they ended, so that more 'epochs' may do better: {'; '.join(rows)}."] if rows else []
