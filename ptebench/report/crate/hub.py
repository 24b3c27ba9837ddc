"""What travels as a model does: adapters and item vectors in the layout of the hub, each with its card."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from ptebench.errors import InputError
from ptebench.files import VOCABULARY, read_json, read_table, write_json, write_text
from ptebench.provenance import canonical
from ptebench.report.site.records import Record, Records, Step

ADAPTER = ("adapter_model.safetensors", "adapter_config.json")
UNKNOWN = "[UNK]"
STATIC = "sentence_transformers.sentence_transformer.modules.static_embedding.StaticEmbedding"


class Place(NamedTuple):
    """A file below results/profiles or results/embeddings: dataset, protocol and the rest of its path."""

    dataset: str
    protocol: str
    rest: tuple[str, ...]

    @classmethod
    def of(cls, path: str) -> "Place":
        _, _, dataset, protocol, *rest = path.split("/")
        return cls(dataset, protocol, tuple(rest))

    @property
    def name(self) -> str:
        return "-".join((self.dataset, self.protocol, *self.rest))


def write_hub(records: Records, steps: list[Step], folder: Path) -> list[str]:
    """Write the adapters that profiles were written by, their bases built here, and item vectors; return the names.

    `steps` is all that the tables were made from. Users' vectors are left out: they are of persons.
    """
    names = []
    for path in dict.fromkeys(name for step in steps if step.record for name in step.record.data["inputs"]):
        if path.endswith(ADAPTER[0]) and any(_writes(step.record, path) for step in steps):
            names += _adapter(records, path, folder)
    for step in steps:
        if step.path.startswith("results/embeddings/") and step.path.endswith("/item.safetensors") and step.record:
            names.append(_vectors(records, step.path, step.record, folder))
    return list(dict.fromkeys(names))


def _writes(record: Record | None, adapter: str) -> bool:
    return (
        record is not None and record.script in ("write_profiles", "write_shard") and adapter in record.data["inputs"]
    )


def _data(records: Records, place: Place) -> str:
    """Return what a card says of the data: dataset, protocol, and of how many users it is a sample."""
    sample = records.sample(place.dataset)
    return f"{place.dataset}, split by {place.protocol}" + f" ({sample})" * bool(sample)


def _adapter(records: Records, path: str, folder: Path) -> list[str]:
    """Write an adapter and, where it was built here, its base; return their names."""
    place, record = Place.of(path), records.of(path)
    *parts, _ = place.rest
    name = place._replace(rest=tuple(parts)).name
    config = read_json(records.root / Path(path).with_name(ADAPTER[1]))
    base, built = str(config["base_model_name_or_path"]), []
    if f"{base}/model.safetensors" in records.by_output:  # else a model of the hub, or a path of its own
        built = [place._replace(rest=(place.rest[0], "base")).name]
        _base(records, base, folder / built[0], place)
    (folder / name).mkdir(parents=True)
    shutil.copyfile(records.root / path, folder / name / ADAPTER[0])
    write_json(config | {"base_model_name_or_path": built[0] if built else base}, folder / name / ADAPTER[1])
    front = {"library_name": "peft", "base_model": built[0] if built else base, "pipeline_tag": "text-generation",
             "tags": ["lora", "recommendation"]}  # fmt: skip
    text = (
        f"{name}\n\nA LoRA adapter that writes {parts[-1]} profiles of {_data(records, place)}:"
        " interests as roles and phrases, from what a prompt shows of a history. Fitted on training data alone."
        "\n\n    from peft import AutoPeftModelForCausalLM\n"
        f'    model = AutoPeftModelForCausalLM.from_pretrained("{name}")'
        + ("    # in the folder that has its base too" if built else "")
    )
    _card(folder / name, front, text, record)
    return [name, *built]


def _base(records: Records, base: str, folder: Path, place: Place) -> None:
    """Copy a model that was built here, once for all adapters of it."""
    if folder.exists():
        return
    shutil.copytree(records.root / base, folder, ignore=shutil.ignore_patterns("provenance.json"))
    front = {"library_name": "transformers", "pipeline_tag": "text-generation", "license": "mit"}
    text = f"A small language model, built of the training data of {_data(records, place)}."
    _card(folder, front, f"{folder.name}\n\n{text}", records.of(f"{base}/model.safetensors"))


def _vectors(records: Records, path: str, record: Record, folder: Path) -> str:
    """Write item vectors as a model of sentence-transformers whose words are raw item ids; return its name."""
    place = Place.of(path)
    name = place._replace(rest=(*place.rest[:-1], "item")).name
    vectors = load_file(records.root / path)["vectors"]
    vocabulary = read_table(
        records.root / f"results/splits/{place.dataset}/{place.protocol}/vocabulary.parquet", VOCABULARY
    )
    ids = dict(vocabulary.filter(pl.col("side") == "item").select("raw", "id").iter_rows())
    if UNKNOWN in ids or len(ids) + 1 != len(vectors):
        raise InputError(f"{path}: {len(vectors)} rows for {len(ids)} items; make it again from this vocabulary")
    tokenizer = Tokenizer(WordLevel({UNKNOWN: 0, **ids}, unk_token=UNKNOWN))
    (folder / name).mkdir(parents=True)
    tokenizer.save(str(folder / name / "tokenizer.json"))
    save_file({"embedding.weight": vectors}, folder / name / "model.safetensors")
    write_json([{"idx": 0, "name": "0", "path": "", "type": STATIC}], folder / name / "modules.json")
    write_json({"model_type": "SentenceTransformer", "similarity_fn_name": "cosine"},
               folder / name / "config_sentence_transformers.json")  # fmt: skip
    source = f"of the text `{place.rest[0]}` by the encoder `{place.rest[1]}`"
    if len(place.rest) == 2:  # no encoder's
        source = f"`{place.rest[0]}`, learned from texts and training pairs"
    text = (
        f"{name}\n\nThe vectors of {len(ids):,} items of {_data(records, place)}, {vectors.shape[1]} wide, {source}."
        " A word is a raw item id; an id that is none has zeros."
        "\n\n    from sentence_transformers import SentenceTransformer\n"
        f'    SentenceTransformer("{name}").encode(["{next(iter(ids), "ID")}"])'
    )
    _card(folder / name, {"library_name": "sentence-transformers", "tags": ["recommendation"]}, text, record)
    return name


def _card(folder: Path, front: dict[str, Any], text: str, record: Record) -> None:
    """Write the card of a model: what it is, how to load it, and what its record says."""
    head = "\n".join(f"{key}: {canonical(value)}" for key, value in front.items())
    lines = [f"---\n{head}\n---\n\n# {text}", "", "## How it was made", ""]
    lines += [f"- {key}: `{record.data[key]}`" for key in ("script", "code", "seed", "started")]
    lines += [f"- settings: `{canonical(record.data['spec'])}`", "", "| made from | SHA-256 |", "|---|---|"]
    lines += [f"| {name} | `{digest}` |" for name, digest in record.data["inputs"].items()]
    lines += ["", "The data that it was fitted on is under its publisher's terms.", ""]
    write_text("\n".join(lines), folder / "README.md")
