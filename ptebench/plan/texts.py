"""Vectors of texts: which file each is encoded from, and by what."""

from typing import Any

from ptebench.errors import InputError
from ptebench.plan.paths import DATA, SPLIT, Wildcards, fill


class Texts:
    """How the texts of a configuration become vectors."""

    def __init__(self, config: dict[str, Any]):
        self.encoders = config["encoders"]

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the vectors of one side are made from."""
        encoder = self.encoders[wildcards.encoder]
        return {"text": wildcards.text, "side": wildcards.side, "encoder": encoder}

    def file(self, wildcards: Wildcards, side: str) -> str:
        """Return the file of a side's texts: cards of items, or what `template` or LANGUAGE_MODEL.WRITER wrote."""
        if wildcards.text == "card":
            if side == "user":
                raise InputError("text 'card': items have cards, users have none; name profiles instead")
            return fill(f"{DATA}/items.parquet", wildcards)
        writer = wildcards.text.replace(".", "/")
        return fill(f"results/profiles/{{dataset}}/{{protocol}}/{writer}/{side}.parquet", wildcards)

    def inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the texts and, of an encoder that is fitted, the training items and their texts."""
        files = {
            "texts": self.file(wildcards, wildcards.side),
            "vocabulary": fill(f"{SPLIT}/vocabulary.parquet", wildcards),
        }
        if self.encoders[wildcards.encoder]["kind"] == "lsa":
            files |= {"train": fill(f"{SPLIT}/train.parquet", wildcards), "fit": self.file(wildcards, "item")}
        return files

    def on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether an encoder would use a GPU."""
        return bool(self.encoders[wildcards.encoder]["kind"] != "lsa")
