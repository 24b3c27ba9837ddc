"""One writer beside the template and the floors, before the rounds that `quality.md` waits for have ended.

    python benchmarks/writer.py FOLDER NAME WRITER --save STEM

FOLDER is results/profiles/DATASET/PROTOCOL of the folder that one stands in, NAME a language model that runs here.
Measured are the sides that it wrote. Writes STEM.csv, STEM.md as `quality.md` has it, without perplexity, and
STEM.samples.md.
"""

import argparse
from pathlib import Path

from ptebench.encoders import Encoder
from ptebench.files import EVENTS, PROFILES, read_embeddings, read_json, read_jsonl, read_table
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.measures.pages import markdown, page, table, write_quality
from ptebench.profiles.measures.quality import form, speed
from ptebench.profiles.measures.report import sides_of, texts_of

SIDES = ("user", "item")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("writer")
    parser.add_argument("--save", type=Path, required=True)
    arguments = parser.parse_args()
    home = arguments.folder / arguments.name
    spec = read_json(home / "rounds/0/user/provenance.json")["spec"]
    wrote = [side for side in SIDES if (home / arguments.writer / f"{side}.parquet").exists()]
    records = {side: read_json(home / arguments.writer / f"{side}.provenance.json") for side in wrote}
    place = {Path(path).name: path for path in records["user"]["inputs"]}
    split = read_split(*(place[f"{part}.parquet"] for part in ("train", "vocabulary", "items")))
    cards = read_embeddings(place["item.safetensors"], split.items + 1).numpy()
    valid = read_table(Path(place["train.parquet"]).with_name("valid.parquet"), EVENTS)
    written = {(arguments.writer, side): home / arguments.writer / f"{side}.parquet" for side in wrote}
    templates = {("template", side): arguments.folder / f"template/{side}.parquet" for side in SIDES}
    frames = {key: read_table(path, PROFILES) for key, path in (templates | written).items()}
    taught = {side: {row["id"] for row in read_jsonl(home / f"instructions/{side}.jsonl")} for side in SIDES}
    sides = sides_of(split, valid, cards, frames, {}, taught, Encoder(spec["encoder"]), spec)
    rows = []
    for side in wrote:
        of = sides[side]
        for writer, worth in of.worths().items():
            row = {"side": side, "writer": writer, **worth}
            row |= form(frames[writer, side], side) if (writer, side) in frames else {}
            row |= {"tokens_per_second": speed(records[side])} if writer == arguments.writer else {}
            rows.append(row)
    frame, title = table(rows), f"{arguments.name}.{arguments.writer}"
    write_quality(frame, title, {kind: arguments.save.with_suffix(f".{kind}") for kind in ("csv", "md")})
    owners = {side: sides[side].owners[:10] for side in wrote}
    prompts = {side: dict(zip(of.owners, of.owner_prompts)) for side, of in sides.items() if side in wrote}
    arguments.save.with_suffix(".samples.md").write_text(page(title, owners, prompts, texts_of(frames, {})))
    print(markdown(frame, title))


if __name__ == "__main__":
    main()
