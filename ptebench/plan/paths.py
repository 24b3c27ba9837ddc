"""Every path below results/, once, as a pattern of wildcards."""

from collections.abc import ItemsView, Iterable
from typing import Any, Protocol

from snakemake.io import contains_wildcard

from ptebench.errors import InputError

DATA = "results/data/{dataset}"
SPLIT = "results/splits/{dataset}/{protocol}"
EXPORT = "results/exports/{dataset}/{protocol}"
TEMPLATE = "results/profiles/{dataset}/{protocol}/template"
WRITING = "results/profiles/{dataset}/{protocol}/{language_model}"
ROUND = f"{WRITING}/rounds/{{round}}"
HALF_ROUND = f"{ROUND}/{{side}}"
GRPO = f"{WRITING}/grpo/{{side}}"
VECTORS = "results/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}"
ALIGNED = "results/embeddings/{dataset}/{protocol}/{embedding}"
STUDY = "results/tuning/{dataset}/{protocol}/{backbone}/{representation}"
TRIAL = f"{STUDY}/trial={{trial}}"
RUNG = f"{STUDY}/bracket={{bracket}}/rung={{rung}}/place={{place}}"
CELL = "results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}"
METRICS = "results/metrics/{dataset}/{protocol}/{backbone}"
INFORMATION = "results/information/{information}/{dataset}/{protocol}"
TABLES = "results/tables"
TABLE = f"{TABLES}/{{table}}"

# what jobs keep for themselves to go on from, where they were killed; no results, and without records
SCRATCH = (
    *(f"{folder}/checkpoint.safetensors" for folder in (CELL, TRIAL, ALIGNED, f"{HALF_ROUND}/training")),
    f"{STUDY}/bracket={{bracket}}/trial={{trial}}.checkpoint.safetensors",
    f"{GRPO}/checkpoints/checkpoint-{{step}}/{{rest}}",
    f"{WRITING}/answers.jsonl",
    f"{WRITING}/{{writer}}/{{side}}.{{maker}}.answers.jsonl",
    f"{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.{{maker}}.answers.jsonl",
)

# the training half of a split, which the settings of a recommender may be chosen on
TRAINING = {
    "train": f"{SPLIT}/train.parquet",
    "valid": f"{SPLIT}/valid.parquet",
    "candidates": f"{SPLIT}/valid_candidates.parquet",
    "vocabulary": f"{SPLIT}/vocabulary.parquet",
}


class Wildcards(Protocol):
    """What Snakemake fills a pattern with: the value of each wildcard by name, all of them text."""

    def __getattr__(self, name: str) -> str: ...

    def __getitem__(self, name: str) -> str: ...

    def get(self, name: str, default: Any = None) -> Any: ...

    def items(self) -> ItemsView[str, str]: ...


class Named(dict[str, str]):
    """Values of wildcards that no path gave."""

    def __getattr__(self, name: str) -> str:
        return self[name]


def fill(pattern: str, wildcards: Wildcards, **more: object) -> str:
    """Return the path of a pattern; `more` stands over what the wildcards say."""
    return pattern.format(**{**dict(wildcards.items()), **more})


def fill_all(patterns: dict[str, str], wildcards: Wildcards) -> dict[str, str]:
    """Return the paths of named patterns."""
    return {name: fill(pattern, wildcards) for name, pattern in patterns.items()}


def one_of(names: Iterable[str]) -> str:
    """Return the regular expression that matches these names and nothing else."""
    return "|".join(names) or "none-defined"


def only(pattern: str, **names: Iterable[str]) -> str:
    """Return a pattern whose wildcards take these names alone; of any other name, no such file can be made."""
    for wildcard, values in names.items():
        pattern = pattern.replace(f"{{{wildcard}}}", f"{{{wildcard},{one_of(values)}}}")
    return pattern


def whole(path: str) -> str:
    """Return the path of a file that exists before any job; raise InputError where Snakemake would see a wildcard."""
    if contains_wildcard(path):
        raise InputError(f"{path}: Snakemake takes what stands in braces for a wildcard; rename the file or folder")
    return path


def sides(folder: str, suffix: str) -> dict[str, str]:
    """Return the files of both sides in a folder."""
    return {side: f"{folder}/{side}.{suffix}" for side in ("user", "item")}


def formats(stem: str, *suffixes: str) -> dict[str, str]:
    """Return one file in several formats, by the first part of the suffix."""
    return {suffix.partition(".")[0]: f"{stem}.{suffix}" for suffix in suffixes}


def adapter(folder: str, name: str = "adapter") -> dict[str, str]:
    """Return an adapter's weights and its configuration, as the files `name` and `name`_config."""
    return {name: f"{folder}/adapter_model.safetensors", f"{name}_config": f"{folder}/adapter_config.json"}
