"""Which cells the requested tables need."""

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from ptebench.config.cells import BACKBONES
from ptebench.plan.failures import Method, read_failures
from ptebench.plan.paths import CELL


class Cell(NamedTuple):
    """One model to train and rank."""

    dataset: str
    protocol: str
    backbone: str
    representation: str
    seed: int

    @property
    def folder(self) -> str:
        """Return the folder of the cell's files."""
        return CELL.format(**self._asdict())


class Grid:
    """The cells of the tables of a configuration, each once, in the order of the tables."""

    def __init__(self, config: dict[str, Any]):
        self.config, self.failures = config, read_failures(config["failed"])
        self.cells = list(dict.fromkeys(cell for table in config["tables"] for cell in self.of_table(table)))
        self.pairs = list(dict.fromkeys(cell[:2] for cell in self.cells))
        self.datasets = list(dict.fromkeys(dataset for dataset, _ in self.pairs))
        self.by_backbone: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in self.cells:
            self.by_backbone.setdefault(cell[:3], []).append(cell)

    def counter(self, backbone: str) -> bool:
        """Return whether a backbone trains nothing here: it counts, or its lists are from elsewhere."""
        return BACKBONES[self.config["backbones"][backbone]["kind"]].counter

    def external(self, backbone: str) -> bool:
        """Return whether a backbone's lists are from elsewhere."""
        return bool(self.config["backbones"][backbone]["kind"] == "external")

    def parts(self, backbone: str, representation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings of a backbone and of a representation, before a dataset's overrides."""
        return self.config["backbones"][backbone], self.config["representations"][representation]

    def of_table(self, table: str) -> Iterator[Cell]:
        """Yield the cells of a table, row by row, one of two blocks twice; a counter has one seed.

        Of a method of which a cell failed there is none.
        """
        for method in self.methods(table):
            if method not in self.failures:
                yield from (Cell(*method, seed) for seed in self.seeds(method[2]))

    def methods(self, table: str) -> Iterator[Method]:
        """Yield dataset, protocol, backbone and representation of a table's rows, one of two blocks twice."""
        settings = self.config["tables"][table]
        for dataset, protocol in product(settings["datasets"], settings["protocols"]):
            for rows in settings["rows"]:
                for backbone, representation in product(rows["backbones"], rows["representations"]):
                    yield dataset, protocol, backbone, representation

    def seeds(self, backbone: str) -> list[int]:
        """Return the seeds of a backbone's cells."""
        seeds: list[int] = self.config["seeds"]
        several = not self.counter(backbone) or "{seed}" in self.config["backbones"][backbone].get("file", "")
        return seeds if several else seeds[:1]

    def failed_of_table(self, table: str) -> list[dict[str, str]]:
        """Return the methods of a table of which a cell failed, each with the reason and the log."""
        names = ("dataset", "protocol", "backbone", "representation")
        methods = [method for method in dict.fromkeys(self.methods(table)) if method in self.failures]
        return [dict(zip(names, method)) | self.failures[method] for method in methods]
