"""Results of a run as data frames, with raw ids: `load("results")`."""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from ptebench.errors import InputError

KEY = ("dataset", "protocol", "backbone", "representation", "seed")
ROW, VALUE = ("backbone", "representation", "metric", "k"), ("mean", "low", "high", "events")
CELL = re.compile(r"cells/([^/]+)/([^/]+)/([^/]+)/([^/]+)/seed=(\d+)/provenance\.json$")


def load(folder: str | Path = "results") -> "Results":
    """Return the results of a run from their folder; raise InputError where there are none."""
    if not any((Path(folder) / name).is_dir() for name in ("tables", "metrics", "cells")):
        raise InputError(f"{folder}: no results of a run; expected the folder `results` that snakemake wrote")
    return Results(Path(folder))


@dataclass(frozen=True)
class Results:
    """What a run left: frames are read when they are asked for; `to_pandas()` makes any of them one of pandas."""

    folder: Path

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the tables by name, a row a value; what is printed of a frame, its ends, tells row and value."""
        of_others = ("statistics", "references")
        paths = sorted((self.folder / "tables").glob("*.csv"))
        others = pl.exclude(*ROW, *VALUE)
        return {
            p.stem: pl.read_csv(p).select(*ROW, others, *VALUE)
            for p in paths
            if "." not in p.stem and p.stem not in of_others
        }

    @cached_property
    def comparisons(self) -> dict[str, pl.DataFrame]:
        """Return every pair of rows that a table tests, by the table's name."""
        return {name: pl.read_csv(self.folder / f"tables/{name}.comparisons.csv") for name in self.tables}

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """Return all metrics of all cells at all K, overall and by group."""
        paths = sorted((self.folder / "metrics").glob("*/*/*.csv"))
        return pl.concat([pl.read_csv(p, infer_schema_length=None) for p in paths], how="vertical_relaxed")

    @cached_property
    def cells(self) -> pl.DataFrame:
        """Return the cells: their names, seconds of training, parameters where any train here, commit, folder."""
        rows = []
        for path in sorted((self.folder / "cells").rglob("provenance.json")):
            if match := CELL.search(path.as_posix()):
                record = json.loads(path.read_text(encoding="utf-8"))
                commit = (record["checkout"] or {}).get("commit")
                cost = record["wall_seconds"], record.get("parameters") or None, commit
                rows.append((*match.groups()[:4], int(match[5]), *cost, str(path.parent)))
        return pl.DataFrame(rows, schema=[*KEY, "seconds", "parameters", "commit", "folder"], orient="row")

    def ranks(self, **where: Any) -> pl.DataFrame:
        """Return the rank of every test event's target in cells, such as ranks(dataset="shop", backbone="sasrec").

        Columns: those of the cell, event, ranking, user_id, item_id, rank, targets, candidates.
        """
        frame = self._of_cells("ranks.parquet", where)
        return self._raw(frame.rename({"target": "item"}), ("rank", "targets", "candidates"))

    def lists(self, **where: Any) -> pl.DataFrame:
        """Return the best items of every test event in cells, where `lists: K` keeps them.

        Columns: those of the cell, event, ranking, user_id, item_id, rank, score.
        """
        frame = self._of_cells("lists.parquet", where).filter(pl.col("items").list.len() > 0)
        rank = pl.int_ranges(1, pl.col("items").list.len() + 1).alias("rank")
        rows = frame.with_columns(rank).explode("items", "scores", "rank").filter(pl.col("scores").is_finite())
        return self._raw(rows.rename({"items": "item", "scores": "score"}), ("rank", "score"))

    def texts(self, dataset: str) -> pl.DataFrame:
        """Return the texts of a dataset's items: item_id, title, categories, brand, description, card."""
        if not (path := self.folder / f"data/{dataset}/items.parquet").is_file():
            names = sorted(path.parent.name for path in self.folder.glob("data/*/items.parquet"))
            raise InputError(f"{path}: no such file; there are texts of {', '.join(names) or 'no dataset'}")
        return pl.read_parquet(path)

    def _of_cells(self, name: str, where: dict[str, Any]) -> pl.DataFrame:
        """Return a file of all cells that match, below one another; raise InputError where no such cell has it."""
        if strange := set(where) - set(KEY):
            raise InputError(f"{min(strange)}: no part of a cell's name; expected {', '.join(KEY)}")
        for part, value in where.items():
            if value not in (names := self.cells[part].unique().sort().to_list()):
                near = get_close_matches(str(value), map(str, names), 1)
                meant = f"did you mean {near[0]!r}? " if near else ""
                raise InputError(f"{part}: no cell has {value!r}; {meant}there are {', '.join(map(str, names))}")
        frames = []
        for *key, folder in self.cells.filter(**where).select(*KEY, "folder").iter_rows():
            if (path := Path(folder) / name).is_file():
                parts = [pl.lit(value).alias(part) for part, value in zip(KEY, key, strict=True)]
                frames.append(pl.read_parquet(path).select(*parts, pl.all()))
        if not frames:
            mend = "; set `lists: K` and run again" if name.startswith("lists") else ""
            raise InputError(f"{self.folder}: no cell of {where or 'the run'} has {name}{mend}")
        return pl.concat(frames)

    def _raw(self, frame: pl.DataFrame, values: tuple[str, ...]) -> pl.DataFrame:
        """Return rows of cells with raw ids of `user` and `item`, in their order."""
        splits = frame.select("dataset", "protocol").unique().iter_rows()
        paths = {key: self.folder / f"splits/{key[0]}/{key[1]}/vocabulary.parquet" for key in splits}
        words = pl.concat(
            [pl.read_parquet(p).with_columns(dataset=pl.lit(d), protocol=pl.lit(s)) for (d, s), p in paths.items()]
        )
        for side in ("user", "item"):
            names = words.filter(side=side).rename({"id": side, "raw": f"{side}_id"}).drop("side")
            frame = frame.join(names, on=["dataset", "protocol", side], how="left", maintain_order="left")
        return frame.select(*KEY, "event", "ranking", "user_id", "item_id", *values)
