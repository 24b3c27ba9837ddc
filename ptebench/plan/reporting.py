"""From ranks to tables: which metrics, which cells, which published values."""

import os
from pathlib import Path
from typing import Any

from ptebench.config.cells import BACKBONES, REPRESENTATIONS, defaults, reader, sources, text_label, text_sides
from ptebench.config.tables import LIST_MEANS
from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.grid import Cell
from ptebench.plan.paths import CELL, DATA, METRICS, SPLIT, TABLES, VECTORS, Named, Wildcards, fill
from ptebench.plan.texts import vectors
from ptebench.provenance import REPOSITORY

PUBLISHED = os.path.relpath(REPOSITORY / "ptebench/report/published.csv")
PAPERS = sorted(map(os.path.relpath, REPOSITORY.glob("ptebench/report/papers/*.csv")))
PARTS: dict[str, Any] = {"backbones": BACKBONES, "representations": REPRESENTATIONS}  # of a row: kinds and classes
PUBLISHED_STATISTICS = os.path.relpath(REPOSITORY / "ptebench/report/published_statistics.csv")


def _cuts(protocol: dict[str, Any]) -> dict[str, Any]:
    """Return where a protocol parts time, by its key; nothing of one that does not, or leaves it to the publisher."""
    return {key: protocol[key] for key in ("cut", "cuts") if protocol.get(key)}


def _cell(wildcards: Wildcards) -> Cell:
    """Return the cell that wildcards name."""
    w = wildcards
    return Cell(w.dataset, w.protocol, w.backbone, w.representation, int(w.seed))


class Reporting:
    """How the ranks of a configuration become metrics and tables."""

    def __init__(self, config: dict[str, Any], command: str = "snakemake"):
        self.config, self.tables, self.command = config, config["tables"], command
        self.all_cells = Cells(config)
        self.grid = self.all_cells.grid

    @property
    def ks(self) -> list[int]:
        """Return every K that the configuration or a table asks for."""
        ks = (int(metric.split("@")[1]) for table in self.tables.values() for metric in table["metrics"])
        return sorted({*self.config["ks"], *ks})

    def metric_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the metrics of a backbone's cells depend on."""
        return self._metric_settings(self._cells(wildcards))

    def cell_metric_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the metrics of one cell depend on, which need not be a cell of a table."""
        return self._metric_settings([_cell(wildcards)])

    def _metric_settings(self, cells: list[Cell]) -> dict[str, Any]:
        """Return which cells of a backbone are measured, at which K, and up to which by their lists."""
        lists = {"lists": self.config["lists"]} if self.config["lists"] else {}
        ks = self._within_lists(cells[0].backbone)
        return {"cells": [self._described(cell) for cell in cells], "ks": ks, **lists}

    def _within_lists(self, backbone: str) -> list[int]:
        """Return every K at which the metrics of a backbone are known: of lists from elsewhere, up to their length."""
        longest = self.config["backbones"][backbone]["k"] if self.grid.external(backbone) else max(self.ks)
        return [k for k in self.ks if k <= longest]

    def _described(self, cell: Cell) -> dict[str, Any]:
        """Return the place of a cell and what text it reads."""
        parts = self.grid.parts(cell.backbone, cell.representation)
        return {**cell._asdict(), "text": text_label(*parts, self.config, cell.protocol)}

    def _cells(self, wildcards: Wildcards) -> list[Cell]:
        """Return the cells of one backbone that the requested tables need; raise InputError where they need none."""
        place = (wildcards.dataset, wildcards.protocol, wildcards.backbone)
        if not (cells := self.grid.by_backbone.get(place)):
            cell = CELL.format(dataset=place[0], protocol=place[1], backbone=place[2], representation="NAME", seed=0)
            raise InputError(
                f"no table asks for {place[2]} on {place[0]} by {place[1]}; name it in a row of 'tables', or ask for "
                f"one cell: {cell}/metrics.csv"
            )
        return cells

    def metric_inputs(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the ranks and records of every cell of one backbone that a requested table needs."""
        return self._metric_inputs(self._cells(wildcards), wildcards)

    def cell_metric_inputs(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the same of one cell."""
        return self._metric_inputs([_cell(wildcards)], wildcards)

    def _metric_inputs(self, cells: list[Cell], wildcards: Wildcards) -> dict[str, Any]:
        """Return what the metrics of cells of one split are made from; of their lists, what says how items differ."""
        names = {"ranks": "ranks.parquet", "records": "provenance.json"}
        files: dict[str, Any] = {"groups": fill(f"{SPLIT}/groups.parquet", wildcards)}
        if self.config["lists"]:
            names["lists"], files["train"] = "lists.parquet", fill(f"{SPLIT}/train.parquet", wildcards)
        if encoder := self.config["diversity"]:
            vectors = fill(VECTORS, wildcards, text="card", encoder=encoder, side="item")
            files["vectors"] = f"{vectors}.safetensors"
        return {name: [f"{cell.folder}/{file}" for cell in cells] for name, file in names.items()} | files

    def methods(self, table: str) -> list[list[Any]]:
        """Return dataset, protocol, backbone, representation and seeds of each method of a table, in its order."""
        methods: dict[tuple[str, ...], list[int]] = {}
        for *method, seed in dict.fromkeys(self.grid.of_table(table)):
            methods.setdefault(tuple(method), []).append(seed)
        return [[*method, seeds] for method, seeds in methods.items()]

    def trials(self, method: list[Any]) -> list[str]:
        """Return the records of all trials by which a method of a table is tuned, none where it is not."""
        place = Named(zip(("dataset", "protocol", "backbone", "representation"), method))
        if not any(self.all_cells.space(place).values()):
            return []
        return [str(Path(file).with_name("provenance.json")) for file in self.all_cells.trials(place)]

    def supplied(self, table: str) -> dict[tuple[str, str, str, str], str]:
        """Return the vectors of supplied texts that a table's rows read, by dataset, protocol, text and side."""
        files: dict[tuple[str, str, str, str], str] = {}
        for cell in self.grid.of_table(table):
            parts = self.grid.parts(cell.backbone, cell.representation)
            if (settings := reader(*parts)) is None:
                continue
            settings = self.config["embeddings"].get(settings["text"], settings)
            texts = sources(settings, self.config, "user" in text_sides(*parts, self.config))
            texts = {side: text for side, text in texts.items() if text in self.config["texts"]}
            for side, file in vectors(settings, texts, Named(cell._asdict())).items():
                files.setdefault((cell.dataset, cell.protocol, texts[side], side), file)
        return files

    def table_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what a table shows, and what its caption says of protocols and published values."""
        settings, protocols = self.tables[wildcards.table], self.config["protocols"]
        methods = self.methods(wildcards.table)
        kinds = {name: settings["kind"] for name, settings in self.config["representations"].items()}
        failed, supplied = self.grid.failed_of_table(wildcards.table), self.supplied(wildcards.table)
        return {
            "table": wildcards.table,
            **{key: settings[key] for key in ("title", "metrics", "rankings", "groups", "compare")},
            "claims": settings["claims"],
            **({"failed": failed} if failed else {}),
            **({"texts": list(supplied)} if supplied else {}),
            "cells": methods,
            "trials": [len(self.trials(method)) for method in methods],
            "ids": sorted({name for _, _, _, name, _ in methods if kinds[name] == "id"}),
            "published": {name: self.config["datasets"][name]["published"] for name in settings["datasets"]},
            "protocols": {
                p: {key: protocols[p][key] for key in ("kind", "remove_seen")} | _cuts(protocols[p])
                for p in settings["protocols"]
            },
        }

    def table_inputs(self, wildcards: Wildcards) -> dict[str, str | list[str]]:
        """Return the metrics of a table's backbones, ranks of its cells, groups of its splits, published values."""
        cells = list(dict.fromkeys(self.grid.of_table(wildcards.table)))
        patterns = {"metrics": f"{METRICS}.csv", "ranks": f"{CELL}/ranks.parquet"}
        patterns |= {"records": f"{CELL}/provenance.json", "data": f"{DATA}/provenance.json"}
        patterns |= {name: f"{SPLIT}/{name}.parquet" for name in ("groups", "train")}
        text = {"text": "card", "encoder": self.config["diversity"], "side": "item"}
        metrics = self.tables[wildcards.table]["metrics"]
        if any(metric.startswith(LIST_MEANS) for metric in metrics):
            patterns["lists"] = f"{CELL}/lists.parquet"
        if any(metric.startswith("Diversity") for metric in metrics):
            patterns["vectors"] = f"{VECTORS}.safetensors"
        files = {
            name: list(dict.fromkeys(pattern.format(**cell._asdict(), **text) for cell in cells))
            for name, pattern in patterns.items()
        }
        trials = [file for method in self.methods(wildcards.table) for file in self.trials(method)]
        more = {"trials": trials, "texts": list(self.supplied(wildcards.table).values())}
        return {**files, **{name: paths for name, paths in more.items() if paths}, "published": PUBLISHED}

    def cell_files(self) -> list[str]:
        """Return the metrics of every backbone that the requested tables need."""
        places = self.grid.by_backbone
        return [f"{METRICS}.csv".format(dataset=d, protocol=p, backbone=b) for d, p, b in places]

    def every_table(self, wildcards: Wildcards) -> list[str]:
        """Return the values of all tables; raise InputError where there is none."""
        return self._require([f"{TABLES}/{table}.csv" for table in self.tables])

    def every_dataset(self, wildcards: Wildcards) -> list[str]:
        """Return the statistics of all datasets of tables; raise InputError where there is none."""
        return self._require([f"{DATA}/statistics.csv".format(dataset=dataset) for dataset in self.grid.datasets])

    def report_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the report says of the settings of rows: defaults by kind, counters."""
        rows = [rows for table in self.tables.values() for rows in table["rows"]]
        names = {part: list(dict.fromkeys(name for row in rows for name in row[part])) for part in PARTS}
        kinds = {part: sorted({self.config[part][name]["kind"] for name in names[part]}) for part in PARTS}
        return {
            "counters": [n for n in names["backbones"] if self.grid.counter(n) and not self.grid.external(n)],
            "defaults": {
                part.removesuffix("s"): {kind: defaults(classes[kind]) for kind in kinds[part]}
                for part, classes in PARTS.items()
            },
        }

    def crate_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what a crate holds beside files: the configuration with all defaults."""
        return {"configuration": self.config}

    def report_inputs(self, wildcards: Wildcards) -> dict[str, list[str]]:
        """Return what the report is made from; the rest it finds by the records of the tables."""
        tables = self.every_table(wildcards)
        return {
            "tables": tables,
            "comparisons": [path.replace(".csv", ".comparisons.csv") for path in tables],
            "statistics": self.every_dataset(wildcards),
            "drawings": [f"{TABLES}/distributions/{dataset}.svg" for dataset in self.grid.datasets],
        }

    def _require(self, files: list[str]) -> list[str]:
        if not files:
            raise InputError("no table is asked for; define one under 'tables', or select others by --config")
        return files

    def table_files(self) -> list[str]:
        """Return every file of the requested tables."""
        return [f"{TABLES}/{table}.{kind}" for table in self.tables for kind in ("csv", "md", "tex", "html")]

    def statistics_files(self) -> list[str]:
        """Return the table of statistics and a drawing of every dataset."""
        table = [f"{TABLES}/statistics.{kind}" for kind in ("csv", "md", "tex")]
        return table + [f"{TABLES}/distributions/{dataset}.svg" for dataset in self.grid.datasets]
