"""Measure written profiles beside the template's and a supplied teacher's; draw the rounds; show a sample."""

import numpy as np
import torch

from ptebench.encoders import Encoder
from ptebench.files import PROFILES, atomic, read_embeddings, read_json, read_jsonl, read_table, write_table, write_text
from ptebench.job import run
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import item_prompts, user_prompts
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.evidence.vectors import history_means
from ptebench.profiles.measures.identification import crowds
from ptebench.profiles.measures.quality import (
    QUALITY,
    SHOWN,
    evidence,
    form,
    markdown,
    page,
    perplexity,
    sample,
    table,
    threshold,
    worth,
)
from ptebench.profiles.models.adapters import with_adapter
from ptebench.profiles.models.loading import load_base, load_tokenizer, whose
from ptebench.profiles.rounds.curves import draw_rounds
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.schema.tables import fields_by_id, texts_by_id
from ptebench.profiles.teachers.supplied import supplied
from ptebench.randomness import generator

SIDES = ("user", "item")


def speed(record: dict) -> float | None:
    """Return the tokens per second of a writer's record, which has parts where there were cold items."""
    parts = [p for p in (record["written"], *record["written"].values()) if isinstance(p, dict)]
    parts = [(p["tokens_written"], p["tokens_per_second"]) for p in parts if p.get("tokens_written")]
    return sum(t for t, _ in parts) / sum(t / s for t, s in parts) if parts else None


def main(job):
    torch.set_num_threads(job.threads)
    spec, split = job.spec, read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    encode, drawn = Encoder(spec["encoder"]), draw(split, spec["seed"], spec["probes"])
    title = f"Profiles of {spec['dataset']}, {spec['protocol']}, {spec['language_model']}"
    base = whose(job)
    tokenizer = load_tokenizer(base["source"], base["revision"], base["template_arguments"])

    frames = {
        w: {s: read_table(job.input(f"{w}_{s}"), PROFILES) for s in SIDES} for w in ("template", *spec["writers"])
    }
    fields = {w: {s: fields_by_id(f) for s, f in of.items()} for w, of in frames.items()}
    texts = {w: {s: texts_by_id(f) for s, f in of.items()} for w, of in frames.items()}
    answers = dict(fields["template"])
    for side in SIDES:
        if path := job.input(f"teacher_{side}"):
            words = split.vocabulary.filter(side=side)
            answers[side], _ = supplied(path, dict(zip(words["raw"], words["id"])), side)
            fields.setdefault("teacher", {})[side] = answers[side]
            texts.setdefault("teacher", {})[side] = {i: layout(f, side) for i, f in answers[side].items()}

    def prompts_of(side, ids, of):
        if side == "user":
            return user_prompts(ids, of.train, split.cards, {}, spec)
        return item_prompts(ids, of, fields["template"]["user"], {}, set(), cards, spec)

    def surprise(side, adapter):
        """Return the perplexity of the answers of the probes, who were in no lesson of a fine-tuned model."""
        probes = [i for i in drawn.probes[side] if i in answers[side]]
        prompts = prompts_of(side, probes, split.without(drawn.held))
        pairs = [(p, layout(answers[side][i], side)) for i, p in zip(probes, prompts)]
        model = load_base(base["source"], base["revision"], base["context"])
        model = with_adapter(model, adapter.parent, {}, False) if adapter else model
        return perplexity(model, tokenizer, pairs, spec["context"]) if pairs else None

    rows, shown_owners, shown_prompts = [], {}, {}
    for side in SIDES:
        people = [u for u, h in split.train.items() if h] if side == "user" else split.warm().tolist()
        covered = fields.get("teacher", {}).get(side)
        taught = {row["id"] for row in read_jsonl(job.input(f"{side}_instructions"))}
        owners = sample([i for i in people if covered is None or i in covered], taught, spec["seed"], side)
        items, known = evidence(owners, side, split, spec), (cards if side == "item" else history_means(split, cards))
        prompts, among = (
            prompts_of(side, owners, split),
            crowds(owners, known, np.flatnonzero(known.any(1)), generator(spec["seed"], f"crowd {side}")),
        )
        chance = threshold(fields["template"][side], owners, side, cards[items], encode)
        judge = (owners, side, cards[items], known, among, prompts, chance, encode)
        rows.append({"side": side, "writer": "base", "perplexity": surprise(side, None)})
        for writer, of in fields.items():
            if side not in of:
                continue
            row = {"side": side, "writer": writer} | worth(of[side], *judge)
            if writer in frames:
                row |= form(frames[writer][side], side)
            if writer in spec["writers"]:
                row["perplexity"] = surprise(side, job.input(f"{writer}_{side}_adapter"))
                row["tokens_per_second"] = speed(read_json(job.input(f"{writer}_{side}_record")))
            rows.append(row)
            print(", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
        shown_owners[side], shown_prompts[side] = owners[:SHOWN], dict(zip(owners, prompts))
    frame = table(rows)
    write_table(frame, job.outputs["csv"], QUALITY)
    write_text(markdown(frame, title), job.outputs["md"])
    write_text(page(title, shown_owners, shown_prompts, texts), job.outputs["samples"])
    with atomic(job.outputs["rounds"]) as temporary:
        draw_rounds(read_json(job.input("convergence"))["rounds"], title, temporary)
    return {"sample": {s: len(o) for s, o in shown_prompts.items()}}


if __name__ == "__main__":
    run(main)
