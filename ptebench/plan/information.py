"""Analyses of information: the vectors that each holds against each other, and the split that judges them."""

from typing import Any

from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.paths import ALIGNED, CELL, DATA, INFORMATION, SPLIT, VECTORS, Named, Wildcards, fill, fill_all

JUDGED_BY = {
    "vocabulary": f"{SPLIT}/vocabulary.parquet",
    "train": f"{SPLIT}/train.parquet",
    "valid": f"{SPLIT}/valid.parquet",
    "test": f"{SPLIT}/test.parquet",
    "items_": f"{DATA}/items.parquet",
}


class Information:
    """How vectors of a configuration are held against each other."""

    def __init__(self, config: dict[str, Any], cells: Cells):
        self.analyses, self.cells, self.seed = config["information"], cells, config["seeds"][0]

    def _cell(self, wildcards: Wildcards, vectors: dict[str, Any]) -> Named:
        """Return the wildcards of a trained cell."""
        names = {key: vectors[key] for key in ("backbone", "representation")}
        return Named(dataset=wildcards.dataset, protocol=wildcards.protocol, seed=str(self.seed), **names)

    def _vectors(self, wildcards: Wildcards) -> dict[str, dict[str, Any]]:
        return dict(self.analyses[wildcards.information]["vectors"])

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the title, the vectors in their order, each with the settings of its cell, and the seed."""
        vectors = [
            [name, self.cells.settings(self._cell(wildcards, v)) if v["backbone"] else {}]
            for name, v in self._vectors(wildcards).items()
        ]
        place = f"{wildcards.dataset}, {wildcards.protocol}"
        title = f"{self.analyses[wildcards.information]['title']}: {place}"
        return {"title": title, "vectors": vectors, "seed": self.seed}

    def modules(self, wildcards: Wildcards) -> list[str]:
        """Return the modules that the cells load by name."""
        cells = (self._cell(wildcards, v) for v in self._vectors(wildcards).values() if v["backbone"])
        return sorted({module for cell in cells for module in self.cells.modules(cell)})

    def inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the split, and of each NAME the vectors of its texts or the model of its cell, as NAME.X."""
        files = fill_all(JUDGED_BY, wildcards)
        for name, v in self._vectors(wildcards).items():
            if v["backbone"]:
                cell = self._cell(wildcards, v)
                own = {"model": fill(f"{CELL}/model.safetensors", cell), **self.cells.cell_inputs(cell)}
            elif v["text"] in self.cells.config["embeddings"]:
                own = {"vectors": fill(f"{ALIGNED}/item.safetensors", wildcards, embedding=v["text"])}
            else:
                place = {"text": v["text"], "encoder": v["encoder"], "side": "item"}
                own = {"vectors": fill(f"{VECTORS}.safetensors", wildcards, **place)}
            files |= {f"{name}.{key}": path for key, path in own.items()}
        return files

    def pages(self, wildcards: Wildcards) -> list[str]:
        """Return the page of every analysis; raise InputError where there is none."""
        files = [
            f"{INFORMATION}.md".format(information=name, dataset=dataset, protocol=protocol)
            for name, analysis in self.analyses.items()
            for dataset in analysis["datasets"]
            for protocol in analysis["protocols"]
        ]
        if not files:
            raise InputError("no analysis is asked for; define one under 'information', of what --config selects")
        return files
