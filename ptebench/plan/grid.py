"""Which cells the requested tables need."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ptebench.config.counters import COUNTERS
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
        self.config = config
        self.cells = list(dict.fromkeys(cell for table in config["tables"] for cell in self.of_table(table)))
        self.pairs = list(dict.fromkeys(cell[:2] for cell in self.cells))
        self.datasets = list(dict.fromkeys(dataset for dataset, _ in self.pairs))
        self.by_backbone: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in self.cells:
            self.by_backbone.setdefault(cell[:3], []).append(cell)

    def counter(self, backbone: str) -> bool:
        """Return whether a backbone counts instead of learning."""
        return self.config["backbones"][backbone]["kind"] in COUNTERS

    def parts(self, backbone: str, representation: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings of a backbone and of a representation, before a dataset's overrides."""
        return self.config["backbones"][backbone], self.config["representations"][representation]

    def of_table(self, table: str) -> Iterator[Cell]:
        """Yield the cells of a table, row by row, one of two blocks twice; a counter has one seed."""
        settings, seeds = self.config["tables"][table], self.config["seeds"]
        for dataset in settings["datasets"]:
            for protocol in settings["protocols"]:
                for rows in settings["rows"]:
                    for backbone in rows["backbones"]:
                        for representation in rows["representations"]:
                            for seed in seeds[:1] if self.counter(backbone) else seeds:
                                yield Cell(dataset, protocol, backbone, representation, seed)
