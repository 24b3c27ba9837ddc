"""Measure written profiles beside the template's and a supplied teacher's; show a sample."""

from ptebench.encoders import Encoder
from ptebench.files import EVENTS, PROFILES, read_embeddings, read_json, read_jsonl, read_table, write_text
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.measures.pages import SHOWN, page, table, write_quality
from ptebench.profiles.measures.report import measure, sides_of, texts_of
from ptebench.profiles.models.loading import model_source
from ptebench.profiles.teachers.supplied import supplied_sides


def main(job):
    spec, read, names = job.spec, job.input, ("user", "item")
    split = read_split(read("train"), read("vocabulary"), read("items"))
    cards = read_embeddings(read("cards"), split.items + 1).numpy()
    title = f"Profiles of {spec['dataset']}, {spec['protocol']}, {spec['language_model']}"
    written = [(w, s) for w in spec["writers"] for s in names]
    frames = {(w, s): read_table(read(f"{w}_{s}"), PROFILES) for w, s in [*(("template", s) for s in names), *written]}
    tuned = {(w, s): (read(f"{w}_{s}_adapter"), read_json(read(f"{w}_{s}_record"))) for w, s in written}
    taught = {s: {row["id"] for row in read_jsonl(read(f"{s}_instructions"))} for s in names}
    supplied, _ = supplied_sides({s: path for s in names if (path := read(f"teacher_{s}"))}, split)
    valid = read_table(read("valid"), EVENTS)
    sides = sides_of(split, valid, cards, frames, supplied, taught, Encoder(spec["encoder"], read("texts")), spec)
    frame = table(measure(sides, frames, tuned, model_source(spec, read("base"))))
    owners = {s: side.owners[:SHOWN] for s, side in sides.items()}
    prompts = {s: dict(zip(side.owners, side.owner_prompts)) for s, side in sides.items()}
    write_quality(frame, title, job.outputs)
    write_text(page(title, owners, prompts, texts_of(frames, supplied)), job.outputs["samples"])
    return {"sample": {s: len(side.owners) for s, side in sides.items()}}


if __name__ == "__main__":
    run(main)
