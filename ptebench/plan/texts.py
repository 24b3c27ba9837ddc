"""The jobs that encode texts and align the vectors with training pairs: files and settings."""

from pathlib import Path
from typing import Any

from ptebench.config.cells import aligned_sides, sources
from ptebench.errors import InputError, absence
from ptebench.plan.paths import ALIGNED, DATA, SPLIT, TRAINING, VECTORS, Named, Wildcards, fill, fill_all, only, whole
from ptebench.plan.raw import names_in
from ptebench.raw.columns import owner_keys
from ptebench.recommenders.alignment import MODULES as ALIGNMENT


def vectors(reader: dict[str, Any], texts: dict[str, str], wildcards: Wildcards) -> dict[str, str]:
    """Return the files of the vectors of `texts` (side -> text) that a reader reads."""
    files = {}
    for side, text in texts.items():
        of = "user" if side == "user" else "item"
        files[side] = fill(f"{VECTORS}.safetensors", wildcards, text=text, encoder=reader["encoder"], side=of)
    return files


class Texts:
    """How the texts of a configuration become vectors."""

    def __init__(self, config: dict[str, Any]):
        self.config, self.supplied = config, config["texts"]
        self.encoders, self.embeddings, self.protocols = config["encoders"], config["embeddings"], config["protocols"]

    def settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return the settings of the vectors of one side."""
        encoder = self.encoders[wildcards.encoder]
        settings = {"text": wildcards.text, "side": wildcards.side, "encoder": encoder}
        supplied = self.supplied.get(wildcards.text)
        if supplied:
            settings["columns"] = {side: supplied[f"{side}_columns"] for side in ("user", "item") if supplied[side]}
            settings |= {"partial": True} if supplied["partial"] else {}
        digest = self.histories(wildcards)
        return settings | ({"histories": digest} if digest else {})

    def histories(self, wildcards: Wildcards) -> str | None:
        """Return the digest of the histories that a text was written from, where they are to be those of this split."""
        saw = self.supplied.get(wildcards.text, {}).get("saw")
        of_split = isinstance(saw, dict) and saw["protocol"] == wildcards.protocol
        return saw["histories"] if of_split else None

    def check_columns(self) -> None:
        """Raise InputError for a column that a supplied file of texts, where it is there and names columns, lacks."""
        for name, settings in self.supplied.items():
            for side in (side for side in ("user", "item") if settings[side]):
                path, key = Path(self.config["data_root"]) / settings[side], f"texts.{name}.{side}"
                if (names := names_in(path)) is None:
                    continue
                has = f"it has {', '.join(names)}"
                for column in settings[f"{side}_columns"]:
                    if column not in names:
                        raise InputError(f"{key}_columns: {path} has no column {column!r}; {has}; name one of them")
                if not {*(keys := owner_keys(side))} & {*names}:
                    raise InputError(f"{key}: {path} has none of {', '.join(keys)}; {has}; name the keys so")

    def file(self, wildcards: Wildcards, side: str) -> str:
        """Return the file of a side's texts: cards, what `template` or LANGUAGE_MODEL.WRITER wrote, supplied ones."""
        if wildcards.text == "card":
            if side == "user":
                raise InputError("text 'card': items have cards, users have none; name profiles instead")
            return fill(f"{DATA}/items.parquet", wildcards)
        if supplied := self.supplied.get(wildcards.text):
            if (name := supplied[side]) is None:
                raise InputError(f"texts.{wildcards.text}: it supplies no texts of {side}s; name a file of them")
            path = whole(str(Path(self.config["data_root"]) / name))
            if not Path(path).is_file():
                raise InputError(
                    f"texts.{wildcards.text}.{side}: {path}: {absence(path)}; check the path and data_root"
                )
            return path
        writer = wildcards.text.replace(".", "/")
        return fill(f"results/profiles/{{dataset}}/{{protocol}}/{writer}/{side}.parquet", wildcards)

    def inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the texts and, of an encoder that is fitted, the training items and their texts."""
        files = {
            "texts": self.file(wildcards, wildcards.side),
            "vocabulary": fill(f"{SPLIT}/vocabulary.parquet", wildcards),
        }
        if self.histories(wildcards):
            files["histories"] = fill(f"{SPLIT}/histories.parquet", wildcards)
        if self.encoders[wildcards.encoder]["kind"] == "lsa":
            of_items = self.supplied.get(wildcards.text, {"item": True})["item"]  # of users alone: cards, as its items
            place = Named({**dict(wildcards.items()), "text": wildcards.text if of_items else "card"})
            files |= {"train": fill(f"{SPLIT}/train.parquet", wildcards), "fit": self.file(place, "item")}
        return files

    def on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether an encoder would use a GPU."""
        return bool(self.encoders[wildcards.encoder]["kind"] != "lsa")

    def aligned_files(self, *sides: str) -> dict[str, str]:
        """Return the vectors of the embeddings that align just these sides, as patterns."""
        names = {n for n, e in self.embeddings.items() if set(aligned_sides(e, self.config)) == set(sides)}
        return {side: only(f"{ALIGNED}/{side}.safetensors", embedding=sorted(names)) for side in sides}

    def align_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what an embedding is learned by: of text and frozen encoder not the names, but the vectors count."""
        settings = self.embeddings[wildcards.embedding]
        chosen = {key: settings[key] for key in ("seed", "control", "align")}
        chosen["remove_seen"] = self.protocols[wildcards.protocol]["remove_seen"]
        if settings["align"]["encoder_layers"]:  # the texts themselves are read again
            chosen["texts"] = {name: self.settings(place) for name, place in self.texts_of(wildcards).items()}
        return chosen

    def texts_of(self, wildcards: Wildcards) -> dict[str, Named]:
        """Return the wildcards of the vectors of an embedding's texts, by name: item, card, user."""
        settings = self.embeddings[wildcards.embedding]
        place = {**dict(wildcards.items()), "encoder": settings["encoder"]}
        read = sources(settings, self.config)
        side = {"card": "item"}
        return {name: Named(place, text=text, side=side.get(name, name)) for name, text in read.items()}

    def align_modules(self, wildcards: Wildcards) -> tuple[str, ...]:
        """Return the modules that an alignment loads by name."""
        return ALIGNMENT

    def align_inputs(self, wildcards: Wildcards) -> dict[str, str]:
        """Return the vectors of an embedding's text, the training half of the split, texts where an encoder learns."""
        settings = self.embeddings[wildcards.embedding]
        files = {**fill_all(TRAINING, wildcards), **vectors(settings, sources(settings, self.config), wildcards)}
        if settings["align"]["encoder_layers"]:
            files |= {f"texts.{n}": self.file(place, place.side) for n, place in self.texts_of(wildcards).items()}
        return files
