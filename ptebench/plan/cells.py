"""Cells and their tuning: settings, files and code of a training, a ranking and a trial."""

from pathlib import Path
from typing import Any

from snakemake import iocontainers

from ptebench.config.cells import reader, sources, text_sides
from ptebench.errors import InputError, absence
from ptebench.plan.grid import Grid
from ptebench.plan.paths import ALIGNED, CELL, SPLIT, STUDY, TRAINING, Wildcards, fill, fill_all, whole
from ptebench.plan.raw import check_header, names_in
from ptebench.plan.texts import vectors
from ptebench.recommenders.halving import places

RANKING = {
    "model": f"{CELL}/model.safetensors",
    "train": f"{SPLIT}/train.parquet",
    "test": f"{SPLIT}/test.parquet",
    "candidates": f"{SPLIT}/test_candidates.parquet",
    "vocabulary": f"{SPLIT}/vocabulary.parquet",
}


class Cells:
    """How the cells of a configuration are tuned, trained and ranked."""

    def __init__(self, config: dict[str, Any]):
        self.config, self.grid, self.tuning = config, Grid(config), config["tuning"]

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a cell: backbone, with the dataset's overrides, representation, seed.

        In a cell that is tuned, the job itself adds the best trial's settings, which it reads from a file.
        """
        backbone = self._backbone(wildcards)
        backbone.pop("file", None)  # of lists from elsewhere: their content counts, not their name
        return {
            "backbone": backbone,
            "representation": self.config["representations"][wildcards.representation],
            "remove_seen": self.config["protocols"][wildcards.protocol]["remove_seen"],
            "seed": int(wildcards.get("seed", self.tuning["seed"])),
        }

    def _backbone(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a cell's backbone, with the dataset's overrides."""
        overrides = self.config["overrides"].get(wildcards.dataset, {})
        backbone = dict(self.config["backbones"][wildcards.backbone])
        for key in (wildcards.backbone, f"{wildcards.backbone}.{wildcards.representation}"):
            backbone |= overrides.get(key, {})
        return backbone

    def check_columns(self) -> None:
        """Raise InputError for a column that an external backbone reads and its file, where it is there, lacks."""
        for cell in (cell for cell in self.grid.cells if self.grid.external(cell.backbone)):
            wildcards = iocontainers.Wildcards(fromdict=cell._asdict())
            backbone = self._backbone(wildcards)
            columns = backbone["columns"]
            if any(isinstance(place, int) for place in columns.values()):
                continue
            path = Path(self.config["data_root"]) / fill(backbone["file"], wildcards)
            owner = "event" if "event" in columns or "event" in (names_in(path) or ()) else "user_id"
            key, all_of_them = f"backbones.{cell.backbone}.columns", {owner: owner, "item_id": "item_id", **columns}
            check_header(
                key, path, all_of_them, f"tell its columns by place, {key}: {{user_id: 1, item_id: 2, rank: 3}}"
            )

    def lists(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the file of lists from elsewhere that a cell reads; raise InputError where it is not there."""
        if (file := self._backbone(wildcards).get("file")) is None:
            return {}
        path = str(Path(self.config["data_root"]) / fill(file, wildcards))
        if not Path(path).is_file():
            raise InputError(
                f"{path}: {absence(path)}; put the lists of {wildcards.backbone} there (`snakemake exports` writes "
                f"what they are made from), or mend backbones.{wildcards.backbone}.file"
            )
        return {"lists": whole(path)}

    def modules(self, wildcards: Wildcards) -> list[str]:
        """Return the modules that a cell loads by name."""
        settings = self.settings(wildcards)
        modules = [
            f"ptebench.recommenders.backbones.{settings['backbone']['kind']}",
            f"ptebench.recommenders.representations.{settings['representation']['kind']}",
        ]
        if "loss" in settings["backbone"]:
            modules.append(f"ptebench.recommenders.losses.{settings['backbone']['loss']}")
        return modules

    def text_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the text vectors that a cell reads: of items, their cards, users."""
        settings = self.settings(wildcards)
        parts = settings["backbone"], settings["representation"]
        texts, sides = reader(*parts), text_sides(*parts, self.config)
        if texts is None:
            return {}
        if (name := texts["text"]) in self.config["embeddings"]:
            return {side: fill(f"{ALIGNED}/{side}.safetensors", wildcards, embedding=name) for side in sides}
        read = {side: text for side, text in sources(texts, self.config).items() if side in sides}
        return vectors(texts, read, wildcards)

    def cell_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what a cell reads beside its split: text vectors, lists, and the settings that tuning chose."""
        files = self.text_inputs(wildcards) | self.lists(wildcards)
        if any(self.space(wildcards).values()):
            files["tuned"] = fill(f"{STUDY}/best.json", wildcards)
        return files

    def trial_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what a trial reads: the training half of its split and text vectors."""
        return {**fill_all(TRAINING, wildcards), **self.text_inputs(wildcards)}

    def rung_inputs(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what a place in a rung reads: a trial's files and the records of the rung before."""
        return {**self.trial_inputs(wildcards), "before": self.earlier_rung(wildcards)}

    def train_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what a training reads: the training half of its split, and what a cell reads beside it."""
        return {**fill_all(TRAINING, wildcards), **self.cell_inputs(wildcards)}

    def rank_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return what a ranking reads: the model, the test events, and what a cell reads beside its split."""
        return {**fill_all(RANKING, wildcards), **self.cell_inputs(wildcards)}

    def list_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of a cell, and the length of its lists; raise InputError where none are kept."""
        if not (lists := self.config["lists"]):
            raise InputError("no lists are kept; set 'lists: K', the length of the lists")
        return {**self.settings(wildcards), "lists": lists}

    def on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether a cell would use a GPU."""
        return bool(self.settings(wildcards)["backbone"].get("device", "cpu") != "cpu")

    def space(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the axes along which a cell's settings are tuned, by part."""
        counter = self.grid.counter(wildcards.backbone)
        return {
            "backbone": self.tuning["backbones"].get(wildcards.backbone, {}),
            "representation": {} if counter else self.tuning["representations"].get(wildcards.representation, {}),
        }

    def study_settings(self, wildcards: Wildcards, first: bool) -> dict[str, Any]:
        """Return the cell's settings for its first trial, and without the tuned axes for all others.

        So a trial does not depend on the configured values that its own values replace.
        """
        settings, space = self.settings(wildcards), self.space(wildcards)
        if not first:
            for part, axes in space.items():
                settings[part] = {key: value for key, value in settings[part].items() if key not in axes}
        return {**settings, "space": space}

    def trial_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of one trial; the first is the cell's own."""
        trial = int(wildcards.trial)
        return {**self.study_settings(wildcards, trial == 0), "trial": trial}

    def rung_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of one place in a rung of halving; the first of the first bracket is the cell's own."""
        place = {key: int(wildcards[key]) for key in ("bracket", "rung", "place")}
        first = place["bracket"] == 0 and (place["rung"] > 0 or place["place"] == 0)
        return {**self.study_settings(wildcards, first), "halving": self.tuning["halving"], **place}

    def trials(self, wildcards: Wildcards) -> list[str]:
        """Return the records of a study: one of every trial, or with halving one of every rung that it trains in."""
        if not any(self.space(wildcards).values()):
            names = f"{wildcards.backbone} with {wildcards.representation}"
            raise InputError(f"nothing of {names} is tuned; give one of the two axes under 'tuning'")
        budget, halving = self.tuning["budget"], self.tuning["halving"]
        if halving is None or self.grid.counter(wildcards.backbone):  # a counter has no epochs
            return [fill(f"{STUDY}/trial={k}/trial.json", wildcards) for k in range(budget)]
        brackets, rungs = range(budget // places(halving, 0)), range(halving["rungs"])
        return [file for bracket in brackets for rung in rungs for file in self.rung(wildcards, bracket, rung)]

    def rung(self, wildcards: Wildcards, bracket: int | str, rung: int) -> list[str]:
        """Return the records of the places of a rung."""
        folder = fill(f"{STUDY}/bracket={bracket}/rung={rung}", wildcards)
        return [f"{folder}/place={k}/trial.json" for k in range(places(self.tuning["halving"], rung))]

    def earlier_rung(self, wildcards: Wildcards) -> list[str]:
        """Return the records of a bracket's previous rung; the first one has none."""
        rung = int(wildcards.rung)
        return self.rung(wildcards, wildcards.bracket, rung - 1) if rung else []
