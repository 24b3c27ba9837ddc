"""What the pages show, read once: tables with their comparisons, and every row with its cells and records."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from ptebench.files import METRICS, read_table
from ptebench.report.claims import check_claims
from ptebench.report.rendering import PANEL
from ptebench.report.site.records import Record, Records
from ptebench.report.tables import COMPARISONS, TABLE

Panel = tuple[str, str, str, str]


class Method(NamedTuple):
    """A row of tables: a backbone with a representation on a dataset by a protocol."""

    dataset: str
    protocol: str
    backbone: str
    representation: str

    @property
    def name(self) -> str:
        return f"{self.backbone}/{self.representation}"

    @property
    def page(self) -> str:
        return f"cells/{'/'.join(self)}.html"

    def cell(self, seed: int) -> str:
        return f"results/cells/{'/'.join(self)}/seed={seed}"


class Pair(NamedTuple):
    """What a test says of two rows, first minus other."""

    difference: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def verdict(self) -> str:
        sure = self.p is not None and self.p <= 0.05
        return "level with" if not sure else "above" if self.difference > 0 else "below"

    def turned(self) -> "Pair":
        low, high = (None, None) if self.low is None or self.high is None else (-self.high, -self.low)
        return Pair(-self.difference, low, high, self.p)


@dataclass
class Table:
    """A table of the workflow: its values, its comparisons, and the settings that it was made by."""

    name: str
    values: pl.DataFrame
    comparisons: pl.DataFrame
    spec: dict[str, Any]
    captions: dict[str, str]  # of panels, by heading

    def shows(self, method: Method) -> bool:
        """Return whether a row is one of the table's."""
        return list(method) in [row[:4] for row in self.spec["cells"]]

    def panels(self) -> Iterator[tuple[Panel, pl.DataFrame]]:
        """Yield each panel and its values, in order."""
        for key, part in self.values.group_by(PANEL, maintain_order=True):
            yield (str(key[0]), str(key[1]), str(key[2]), str(key[3])), part

    def pairs(self, panel: Panel, metric: str, k: int) -> dict[tuple[str, str], Pair]:
        """Return the comparisons of a column of a panel, both ways, by the names of their rows."""
        at = dict(zip([*PANEL, "metric", "k"], [*panel, metric, k], strict=True))
        found: dict[tuple[str, str], Pair] = {}
        for row in self.comparisons.filter(**at).iter_rows(named=True):
            first = f"{row['backbone']}/{row['representation']}"
            other = f"{row['other_backbone']}/{row['other_representation']}"
            pair = Pair(row["difference"], row["low"], row["high"], row["p_holm"])
            found |= {(first, other): pair, (other, first): pair.turned()}
        return found


@dataclass
class Results:
    """All that the pages are made from."""

    root: Path
    tables: list[Table]
    records: Records
    settings: dict[str, Any]  # of the job: defaults by kind, counters, the command of the workflow

    @classmethod
    def read(cls, root: Path, names: list[str], settings: dict[str, Any]) -> "Results":
        """Read the tables of these names below root/results/tables."""
        records = Records.below(root)
        tables = []
        for name in names:
            stem = f"results/tables/{name}"
            record, values = records.of(f"{stem}.csv").data, read_table(root / f"{stem}.csv", TABLE)
            pairs = read_table(root / f"{stem}.comparisons.csv", COMPARISONS)
            tables.append(Table(name, values, pairs, record["spec"], record["captions"]))
        return cls(root, tables, records, settings)

    @cached_property
    def methods(self) -> dict[Method, list[int]]:
        """Return every row of every table with its seeds."""
        found: dict[Method, list[int]] = {}
        for table in self.tables:
            for *names, seeds in table.spec["cells"]:
                known = found.setdefault(Method(*names), [])
                known += [seed for seed in seeds if seed not in known]
        return found

    def failures(self) -> Iterator[tuple[Table, dict[str, str]]]:
        """Yield each row of a table that failed, with its reason and its log."""
        for table in self.tables:
            yield from ((table, failure) for failure in table.spec.get("failed", []))

    def log_page(self, failure: dict[str, str]) -> str | None:
        """Return where the report has the end of the log of a failure, None where the log is gone."""
        return f"{failure['log']}.txt" if (self.root / failure["log"]).is_file() else None

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Return every dataset with each of its protocols."""
        return list(dict.fromkeys((method.dataset, method.protocol) for method in self.methods))

    @cached_property
    def _metrics(self) -> dict[tuple[str, str, str], pl.DataFrame]:
        return {}

    def metrics(self, method: Method) -> pl.DataFrame:
        """Return all metrics of the cells of a row (a METRICS frame)."""
        key = method[:3]
        if key not in self._metrics:
            self._metrics[key] = read_table(self.root / f"results/metrics/{'/'.join(key)}.csv", METRICS)
        return self._metrics[key].filter(pl.col("representation") == method.representation)

    def training(self, method: Method, seed: int) -> Record:
        """Return the record of the training of a cell."""
        return self.records.of(f"{method.cell(seed)}/model.safetensors")

    def ranking(self, method: Method, seed: int) -> Record:
        """Return the record of the ranks of a cell."""
        return self.records.of(f"{method.cell(seed)}/ranks.parquet")

    def parts(self, method: Method) -> dict[str, dict[str, Any]]:
        """Return the settings of a row's backbone and representation."""
        spec = self.training(method, self.methods[method][0]).data["spec"]
        return {"backbone": spec["backbone"], "representation": spec["representation"]}

    def claims(self, table: Table) -> list[str]:
        """Return what a table was expected to show, and whether it does, a sentence each."""
        methods = [(Method(*names), seeds) for *names, seeds in table.spec["cells"]]
        ranks = [self.root / f"{method.cell(seed)}/ranks.parquet" for method, seeds in methods for seed in seeds]
        splits = dict.fromkeys(method[:2] for method, _ in methods)
        groups = [self.root / f"results/splits/{'/'.join(split)}/groups.parquet" for split in splits]
        return check_claims(table.spec, table.values, table.comparisons, ranks, groups)

    def counter(self, method: Method) -> bool:
        return method.backbone in self.settings["counters"]

    def external(self, method: Method) -> bool:
        """Return whether a row is lists that other code made."""
        return bool(self.parts(method)["backbone"]["kind"] == "external")

    def control(self, method: Method) -> Method | None:
        """Return the row whose profiles a row has in another order, None for a row that is no control."""
        own = self.parts(method)["representation"]
        if self.counter(method) or not any((own.get("control") or {}).values()):
            return None
        plain = {**own, "control": dict.fromkeys(own["control"])}
        for other in self.methods:
            if other[:3] == method[:3] and self.parts(other)["representation"] == plain:
                return other
        return None
