"""Whether a sentence helps: the gain of profiles with it, without it, and of it alone, on the same owners.

    python benchmarks/sentence.py FOLDER NAME OTHER --save STEM

FOLDER is results/profiles/DATASET/PROTOCOL of the folder that one stands in, NAME a language model with
`schema: sentence`, OTHER one with `schema: phrases`; what `kd` of both wrote is measured. Writes STEM.csv.
"""

import argparse
import csv
import json
from pathlib import Path

from ptebench.encoders import Encoder
from ptebench.files import EVENTS, read_embeddings, read_json, read_jsonl, read_table
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.measures.gain import Gain, questions
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.schema.fields import SENTENCE, layout
from ptebench.profiles.schema.tables import read_profiles

COLUMNS = ("side", "owners", "text", "with a sentence", "gain over the cards", "change by the sentence")
WHOLE, PHRASES_ALONE, SENTENCE_ALONE, OTHER = (
    "phrases and sentence", "its phrases alone", "its sentence alone", "of the model without one",
)  # fmt: skip


def shown(gain: dict) -> str:
    """Return a gain and its interval as text."""
    return f"{gain['gain']:+.4f} [{gain['gain_low']:+.4f}, {gain['gain_high']:+.4f}]" if gain else ""


def texts_of(fields: dict[int, dict], other: dict[int, dict], side: str) -> dict[str, dict[int, str]]:
    """Return by name what is said of each owner."""
    bare = {i: {key: value for key, value in f.items() if key != SENTENCE} for i, f in fields.items()}
    return {
        WHOLE: {i: layout(f, side) for i, f in fields.items()},
        PHRASES_ALONE: {i: layout(f, side) for i, f in bare.items()},
        SENTENCE_ALONE: {i: f[SENTENCE][0] for i, f in fields.items() if SENTENCE in f},
        OTHER: {i: layout(f, side) for i, f in other.items()},
    }


def rows(folder: Path, name: str, other: str) -> list[dict]:
    """Return a row for each side, kind of owners and text; asked are owners whom no instruction of either taught."""
    record = read_json(folder / name / "kd/user.provenance.json")
    seed, place = record["spec"]["seed"], {Path(path).name: path for path in record["inputs"]}
    split = read_split(*(place[f"{part}.parquet"] for part in ("train", "vocabulary", "items")))
    cards = read_embeddings(place["item.safetensors"], split.items + 1).numpy()
    valid = read_table(Path(place["train.parquet"]).with_name("valid.parquet"), EVENTS)
    encode = Encoder(read_json(folder / name / "rounds/0/user/provenance.json")["spec"]["encoder"])
    scorer, table = Scorer(split, cards, encode, seed), []
    for side in ("user", "item"):
        lessons = [read_jsonl(folder / model / f"instructions/{side}.jsonl") for model in (name, other)]
        fields, others = (read_profiles(folder / model / f"kd/{side}.parquet") for model in (name, other))
        share = sum(SENTENCE in f for f in fields.values()) / len(fields)
        for kind, warm in (("warm", True), ("cold", False)):
            closed = {row["id"] for of in lessons for row in of}
            if (asked := questions(side, warm, valid, split, cards, closed, seed)) is None:
                continue
            gain, texts = Gain(asked, scorer, seed), texts_of(fields, others, side)
            for text, by_id in texts.items():
                change = gain.change(texts[PHRASES_ALONE], by_id, encode) if text == WHOLE else {}
                owners = f"{len(set(asked.owners.tolist()))} {kind}"
                said = f"{100 * share:.1f} %" if text == WHOLE else ""
                values = (side, owners, text, said, shown(gain(by_id, encode)), shown(change))
                table.append(dict(zip(COLUMNS, values, strict=True)))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("other")
    parser.add_argument("--save", type=Path, required=True)
    arguments = parser.parse_args()
    table = rows(arguments.folder, arguments.name, arguments.other)
    with open(arguments.save.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
