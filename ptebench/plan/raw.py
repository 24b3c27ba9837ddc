"""From raw files to splits: which files, which settings, which reader."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ptebench.data.downloads import advice, find
from ptebench.errors import InputError
from ptebench.plan.grid import Grid
from ptebench.plan.paths import DATA, EXPORT, SPLIT, TABLES, Wildcards, fill, only, whole
from ptebench.raw.columns import NAME_THEM, fault_of_names
from ptebench.raw.tables import header

# the settings of a source that name its files
RAW_FILES = {
    "amazon": ("reviews", "ratings", "metadata"),
    "yelp": ("reviews", "businesses"),
    "netflix": ("ratings", "titles", "probe", "qualifying"),
    "mind": ("behaviors", "news"),
    "reclm": ("train", "test", "items"),
    "sequences": ("sequences", "parts", "train", "valid", "test", "user_map", "times", "items", "item_map"),
    "recbole": ("inter", "item"),
    "table": ("interactions", "items"),
}
# what a simulated dataset writes, named as its publisher names it
SIMULATED = {
    "amazon": {"reviews": "Simulated_5.json.gz", "metadata": "meta_Simulated.json.gz"},
    "netflix": {"ratings": "combined_data_1.txt", "titles": "movie_titles.csv"},
    "mind": {"behaviors": "behaviors.tsv", "news": "news.tsv"},
    "reclm": {"train": "train.npz", "test": "test.npz", "items": "items.jsonl.gz"},
}
DATASET = {"interactions": f"{DATA}/interactions.parquet", "items_": f"{DATA}/items.parquet"}
DESCRIBED = {**DATASET, "record": f"{DATA}/provenance.json"}
DESCRIPTION = {
    "statistics": f"{DATA}/statistics.csv",
    "drawing": f"{TABLES}/distributions/{{dataset}}.svg",
}
SPLIT_FILES = {
    name: f"{SPLIT}/{name}.parquet"
    for name in (
        "vocabulary", "train", "valid", "test", "valid_candidates", "test_candidates", "histories", "groups",
    )
} | {"leakage": f"{SPLIT}/leakage.json"}  # fmt: skip
# what an export of a split is made from, and what it writes for others to read: CSV, RecBole's files of pairs and of
# histories
SPLIT_ROWS = {
    **{name: f"{SPLIT}/{name}.parquet" for name in ("vocabulary", "train", "valid", "test", "histories")},
    "candidates": f"{SPLIT}/test_candidates.parquet",
    "items_": f"{DATA}/items.parquet",
}
TABLES_OF_SPLIT = ("train", "histories", "valid", "test", "valid_histories", "test_histories", "test_candidates")
KINDS_AND_PARTS = [(kind, part) for kind in ("general", "sequential") for part in ("train", "valid", "test")]
EXPORTS = {
    **{name: f"{EXPORT}/{name}.csv" for name in TABLES_OF_SPLIT},
    "items_": f"{EXPORT}/items.csv",
    **{f"{kind}_{part}": f"{EXPORT}/{kind}/{kind}.{part}.inter" for kind, part in KINDS_AND_PARTS},
    **{f"{kind}_item": f"{EXPORT}/{kind}/{kind}.item" for kind in ("general", "sequential")},
}
GENERATOR = (
    "seed", "users", "items", "mean_length", "behaviour_only", "text_only", "sequential", "new_items", "snapshots",
)  # fmt: skip


def simulated_files(layout: str) -> dict[str, str]:
    """Return the raw files of a simulated dataset, as patterns."""
    return {f"{name}_": f"{DATA}/raw/{file}" for name, file in SIMULATED[layout].items()}


COLUMNS = {  # the settings of a source that name columns, each with the file whose columns they are
    "table": {"columns": "interactions", "item_columns": "items"},
    "recbole": {"columns": "inter", "item_columns": "item"},
    "sequences": {"item_columns": "items"},
}


def names_in(path: Path) -> list[str] | None:
    """Return the names of a file's columns; None where it is not there, has none, or cannot be read."""
    try:
        return header(path) if path.is_file() else None
    except InputError:  # the job that reads it says what is wrong
        return None


def check_header(key: str, path: Path, columns: dict[str, str], mend: str = NAME_THEM) -> None:
    """Raise InputError for columns of ours that a file, where it is there and can be read, does not have."""
    names = names_in(path)
    if names is None or not (missing := {ours: theirs for ours, theirs in columns.items() if theirs not in names}):
        return
    if fault := fault_of_names(names, mend):
        raise InputError(f"{key}: {path}: {fault}")
    near = {ours: match[0] for ours, theirs in missing.items() if (match := get_close_matches(theirs, names, 1))}
    meant = f"did you mean {{{', '.join(f'{ours}: {theirs}' for ours, theirs in near.items())}}}? It" if near else "it"
    lacks = ", ".join(map(repr, missing.values()))
    raise InputError(f"{key}: {path} has no column {lacks}; {meant} has {', '.join(names)}")


class Raw:
    """How the raw files of a configuration become interactions and splits."""

    def __init__(self, config: dict[str, Any]):
        self.config, self.datasets, self.grid = config, config["datasets"], Grid(config)
        self.with_impressions = [name for name, settings in self.datasets.items() if settings.get("impressions")]

    def simulation(self, layout: str) -> dict[str, str]:
        """Return what the simulation of a layout writes, as patterns: raw files, and the truth behind them."""
        datasets = [name for name, settings in self.datasets.items() if settings.get("layout") == layout]
        files = {**simulated_files(layout), "truth": f"{DATA}/raw/{layout}.truth.npz"}
        return {name: only(pattern, dataset=datasets) for name, pattern in files.items()}

    def simulation_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what a simulation depends on."""
        settings = self.datasets[wildcards.dataset]
        return {key: settings[key] for key in ("layout", *GENERATOR)}

    def files(self, dataset: str) -> dict[str, str | list[str]]:
        """Return the raw files of a dataset, by the name that its reader knows them by."""
        settings = self.datasets[dataset]
        if settings["source"] == "simulated":
            files = simulated_files(settings["layout"])
            return {name.rstrip("_"): path.format(dataset=dataset) for name, path in files.items()}
        root, paths = Path(self.config["data_root"]), {}
        for name in RAW_FILES[settings["source"]]:
            if (value := settings[name]) is not None:
                several = [whole(str(root / file)) for file in ([value] if isinstance(value, str) else value)]
                paths[name] = several[0] if isinstance(value, str) else several
        return paths

    def missing(self, dataset: str) -> dict[str, Any]:
        """Return the missing raw files of a dataset, each with its entry of downloads.yaml or None."""
        settings = self.datasets[dataset]
        if settings["source"] == "simulated":
            return {}
        paths: list[str] = []
        for files in self.files(dataset).values():
            paths += [files] if isinstance(files, str) else files
        return {path: find(path, settings) for path in paths if not Path(path).exists()}

    def check_columns(self) -> None:
        """Raise InputError for a column that the configuration names and its raw file, where it is there, lacks."""
        for dataset, settings in self.datasets.items():
            files = self.files(dataset) if settings["source"] in COLUMNS else {}
            for key, file in COLUMNS.get(settings["source"], {}).items():
                if file in files:
                    check_header(f"datasets.{dataset}.{key}", Path(str(files[file])), settings[key])

    def download_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the missing raw files of all requested tables, each with its entry of downloads.yaml or None."""
        return {path: facts for dataset in self.grid.datasets for path, facts in self.missing(dataset).items()}

    def raw_inputs(self, wildcards: Wildcards) -> dict[str, str | list[str]]:
        """Return the raw files of a dataset as a rule's inputs; raise InputError for those that are not there."""
        if missing := self.missing(wildcards.dataset):
            raise InputError("\n".join(advice(path, facts) for path, facts in missing.items()))
        return {f"{name}_": files for name, files in self.files(wildcards.dataset).items()}

    def reading_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of reading and filtering, without paths (contents count) and those of simulation."""
        settings = self.datasets[wildcards.dataset]
        simulated = settings["source"] == "simulated"
        aside = {"published", "heads_compat", *(GENERATOR if simulated else RAW_FILES[settings["source"]])}
        return {key: value for key, value in settings.items() if key not in aside}

    def reading_modules(self, wildcards: Wildcards) -> list[str]:
        """Return the module that reads a dataset's source."""
        settings = self.datasets[wildcards.dataset]
        return [f"ptebench.data.sources.{settings.get('layout', settings['source'])}"]

    def split_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the protocol and what it takes from the dataset; a snapshot asks for new items whatever is ranked."""
        settings = dict(self.config["protocols"][wildcards.protocol])
        if settings["kind"] == "snapshot":
            del settings["remove_seen"]
        if settings["kind"] == "long_tail":
            settings["heads_compat"] = self.datasets[wildcards.dataset]["heads_compat"]
        return settings

    def split_modules(self, wildcards: Wildcards) -> list[str]:
        """Return the module of a protocol."""
        return [f"ptebench.data.protocols.{self.config['protocols'][wildcards.protocol]['kind']}"]

    def split_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the interactions and, where the protocol ranks them, the impressions."""
        files = {"interactions": fill(f"{DATA}/interactions.parquet", wildcards)}
        if self.config["protocols"][wildcards.protocol].get("impressions", False):
            files["impressions"] = fill(f"{DATA}/impressions.parquet", wildcards)
        return files

    def statistics_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return a dataset's name and the key of its published counts."""
        return {"dataset": wildcards.dataset, "published": self.datasets[wildcards.dataset]["published"]}
