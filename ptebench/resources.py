"""What a job asks of a machine, by the sizes of what it reads, beside what the jobs of finished runs used.

    python -m ptebench.resources results      # or: snakemake --cores 1 resources

The laws have a margin over what was measured. A plan asks for more where the records of earlier runs show more.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ptebench.files import read_json
from ptebench.weights import size

Settings = Mapping[str, Any]

LIBRARIES = 1000  # MB of Python, torch and the data of a split, for a language model
COPY = 1.25  # of the weights, while a layer is cast or an adapter is added
# bytes of a token by the weights' bytes to the power of 2/3, as layers times width grow: measured with SmolLM2-135M,
# whose keys and values take 23 kB a token and whose states, kept for gradients, 1.4 MB
READ, LEARNT = 0.1, 4.0
SHAPES = 3600  # of a job with products of many shapes, which oneDNN keeps, in that unit: 1.5 GB with SmolLM2-135M
PART = 512  # tokens that fine-tuning reads at once
POLICY = 1024  # tokens that GRPO reads at once where the policy learns


def _writing(m: Settings) -> float:
    return READ * m["write_batch"] * m["context"]


# tokens that a job holds, weighed by what each takes, by script
TOKENS: dict[str, Callable[[Settings], float]] = {
    "tune_round": lambda m: SHAPES + max(LEARNT * max(PART, m["context"]), _writing(m)),
    "grpo": lambda m: SHAPES + LEARNT * max(m["context"], min(POLICY, m["grpo"]["batch_size"] * m["context"])),
    **dict.fromkeys(("probe_round", "quality"), lambda m: SHAPES + READ * m["context"]),
    **dict.fromkeys(("instructions", "audit_grpo", "write_shard", "write_profiles"), _writing),
}
# MB of a job beside its data, by script
BASES = {
    **dict.fromkeys(("metrics", "table", "statistics_table", "references", "report", "crate", "describe"), 500),
    **dict.fromkeys(("simulate", "interactions", "impressions", "split", "export"), 800),
    **dict.fromkeys(("train", "trial", "rung", "align", "embed", "language_model"), 2000),
    **dict.fromkeys(("rank", "recommend"), 2500),  # a block of scores, and a copy of it
    "information": 3000,
}
BASE = 1000  # of every other script
# MB for each MB of files, which are packed: of a million users (benchmarks/results/million.json) a split took 40,
# metrics 162, a Parquet file of interactions 38
GROWTHS, GROWTH = {"interactions": 5, "impressions": 5, "split": 60, "metrics": 200}, 10
PARQUET = 50  # of interactions that come as a Parquet file
# MB of the states of a text below an encoder's top layers, which an alignment that teaches these keeps: MiniLM's of 31
# tokens, those of a title and categories, take 0.05
STATES, TEXTS = 0.1, ("items", "item", "user")
ENCODER = 1000  # MB of that encoder and of what it reads at once
SLOWNESS = 5  # by how much a job may take longer than was measured, on another machine or beside others
START = 300  # seconds that any job may take, for what it imports over a slow file system
CELLS, RANKERS = ("train", "trial", "rung"), ("rank", "recommend")
QUICK = {*BASES, "choose_trial", "choose_round", "template_profiles"} - {
    *CELLS, *RANKERS, "align", "embed", "information", "language_model",
}  # fmt: skip
EPOCHS = 100  # of a trial whose epochs are tuned


def megabytes(script: str, settings: Settings, commit: str | None, files: Iterable[Path]) -> int | None:
    """Return the MB that a job of a script asks for; None where none of the files that it reads is there.

    settings: the job's, or its language model's. commit: which weights of the hub its language model has.
    """
    if script in TOKENS and "model" in settings:
        weights = size(settings["model"], commit)
        return int(LIBRARIES + (COPY * weights + TOKENS[script](settings) * weights ** (2 / 3)) / 1e6)
    paths = [path for path in files if path.is_file()]
    data = sum(_growth(script, path) * path.stat().st_size for path in _at_once(script, paths)) / 1e6
    if script == "align" and (texts := [p for p in paths if p.stem in TEXTS and p.suffix == ".parquet"]):
        data += ENCODER + STATES * sum(map(_rows, texts))
    return int(BASES.get(script, BASE) + data) if paths or script == "simulate" else None


def _growth(script: str, path: Path) -> int:
    """Return the MB for each MB of a file."""
    return PARQUET if script == "interactions" and path.suffix == ".parquet" else GROWTHS.get(script, GROWTH)


def _at_once(script: str, paths: list[Path]) -> list[Path]:
    """Return the files that are in memory at once: metrics read the ranks of one cell after another."""
    ranks = [path for path in paths if script == "metrics" and path.stem == "ranks"]
    largest = max(ranks, key=lambda path: path.stat().st_size, default=None)
    return [path for path in paths if path not in ranks or path == largest]


def seconds(script: str, settings: Settings, files: Iterable[Path]) -> float | None:
    """Return about how many seconds a job of a script takes on one core; None where no law tells.

    The rates are those of benchmarks/results: 18 µs an event and epoch of SASRec, of which two thirds are the softmax
    over 12,101 items at width 64; 46 ps a score of ranking; 0.1 s a MB of raw files, 5 of a split.
    """
    paths = [path for path in files if path.is_file()]
    if script in QUICK:
        rate = 5.0 if script == "split" else 0.1
        return rate * sum(path.stat().st_size for path in paths) / 1e6
    if script not in (*RANKERS, *CELLS):
        return None
    counts = {path.stem: _rows(path) for path in paths if path.stem in ("train", "test", "vocabulary")}
    if not counts.get("vocabulary"):
        return None
    backbone, items = settings.get("backbone", {}), counts["vocabulary"]
    width = backbone.get("dimension", 64)
    if script in RANKERS:
        return 1 + 1e-10 * counts.get("test", 0) * items * width
    epochs = backbone.get("epochs", EPOCHS if "learning_rate" in backbone else 1)
    return float(1 + epochs * counts.get("train", 0) * (1e-5 + 3e-11 * items * width))


def minutes(script: str, settings: Settings, files: Iterable[Path]) -> int | None:
    """Return the minutes that a job of a script asks for; None where no law tells."""
    expected = seconds(script, settings, files)
    return None if expected is None else int((START + SLOWNESS * expected) / 60) + 1


_counts: dict[tuple[str, int, int], int] = {}


def _rows(path: Path) -> int:
    """Return the rows of a Parquet file, by its last bytes, once for its size and time.

    None are told of a file that is cut off: the job that reads it says what is wrong.
    """
    stat = path.stat()
    key = str(path), stat.st_size, stat.st_mtime_ns
    if key not in _counts:
        try:
            _counts[key] = pl.scan_parquet(path).select(pl.len()).collect().item()
        except pl.exceptions.PolarsError:
            _counts[key] = 0
    return _counts[key]


class Use(NamedTuple):
    """What a job asked for by the laws, and what it used."""

    script: str
    record: str
    asked_mb: int | None
    used_mb: float
    asked_minutes: int | None
    used_minutes: float

    @property
    def over(self) -> bool:
        """Return whether the job used more than it asked for."""
        mb, minutes = self.asked_mb, self.asked_minutes
        return (mb is not None and self.used_mb > mb) or (minutes is not None and self.used_minutes > minutes)


def read(record: Path, folder: Path) -> Use | None:
    """Return what the job of a record asked for and used; None of a file that is no job's record."""
    job = read_json(record)
    if not isinstance(job, dict) or not {"script", "spec", "inputs", "peak_memory_mib"} <= job.keys():
        return None
    script, spec, files = job["script"], job["spec"], [folder / path for path in job["inputs"]]
    return Use(
        script,
        str(record),
        megabytes(script, spec, spec.get("weights"), files),
        job["peak_memory_mib"] * 1.048576,
        minutes(script, spec, files),
        job["wall_seconds"] / 60,
    )


def lines(uses: list[Use]) -> list[str]:
    """Return a table of what jobs asked for and used, by script, and the jobs that used more."""
    rows = [f"{'script':18} {'jobs':>5} {'MB asked':>15} {'MB used':>15} {'min asked':>11} {'min used':>9}"]
    for script in sorted({use.script for use in uses}):
        own = [use for use in uses if use.script == script]
        memory = _span([use.asked_mb for use in own]), _span([use.used_mb for use in own])
        time, longest = _span([use.asked_minutes for use in own]), max(use.used_minutes for use in own)
        rows.append(f"{script:18} {len(own):5} {memory[0]:>15} {memory[1]:>15} {time:>11} {longest:9.1f}")
    over = [use for use in uses if use.over]
    rows += [f"{use.record}: used {use.used_mb:,.0f} MB of {use.asked_mb}, {use.used_minutes:.1f} minutes of "
             f"{use.asked_minutes}" for use in over]  # fmt: skip
    return [*rows, f"{len(over)} of {len(uses)} jobs used more than they asked for"]


def _span(values: Sequence[float | None]) -> str:
    """Return the least and the largest of some values as one word; a profile's own value stands where none is told."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return "profile"
    low, high = f"{min(numbers):,.0f}", f"{max(numbers):,.0f}"
    return low if low == high else f"{low}-{high}"


def main() -> None:
    """Print declared beside used from every record; the exit status is 1 where any job used more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="the folder of results")
    results: Path = parser.parse_args().results
    uses = [read(path, results.resolve().parent) for path in sorted(results.rglob("*provenance.json"))]
    jobs = [use for use in uses if use is not None]
    if not jobs:
        sys.exit(f"error: {results}: no record of a job there; run the workflow first")
    print("\n".join(lines(jobs)))
    sys.exit(any(use.over for use in jobs))


if __name__ == "__main__":
    main()
