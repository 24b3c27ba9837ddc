"""Audit GRPO on owners that it never saw, with the encoder of its reward and with a second one."""

import polars as pl
import torch
from ptebench.embeddings.encoders import lsa
from ptebench.files import ITEMS, read_embeddings, read_table, write_table, write_text
from ptebench.job import run
from ptebench.profiles.audit import AUDIT, compare, markdown
from ptebench.profiles.encode import Encoder
from ptebench.profiles.instructions import draw, generator, read_profiles, read_split
from ptebench.profiles.language_model import fitted, load
from ptebench.profiles.policy import Judge, item_tasks, strangers_support, user_tasks
from ptebench.profiles.write import generate


def encoder_of(settings: dict, split, items):
    """Return a function of texts to vectors in the space of the encoder's card vectors."""
    if settings["kind"] != "lsa":
        return Encoder(settings)
    words = split.vocabulary.filter(side="item").sort("id")
    cards = words.join(read_table(items, ITEMS), left_on="raw", right_on="item_id", how="left", maintain_order="left")
    cards = cards["card"].to_list()
    return lsa([cards[i - 1] for i in split.warm()], settings["dimension"])  # as the card vectors were fitted


def main(job):
    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    whole = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    drawn, evidence = draw(whole, spec["seed"], spec["probes"]), read_profiles(job.input("evidence"))
    if side == "user":
        owners, split, make = dict(sorted(drawn.held)), whole, user_tasks
    else:
        owners, split, make = drawn.probes["item"], whole.without(drawn.held), item_tasks
    known = whole.train if side == "user" else set(whole.warm().tolist())
    strangers = {i: fields for i, fields in read_profiles(job.input("template")).items() if i in known}

    settings, judges = spec["grpo"], []
    for place, (name, described) in enumerate(spec["encoders"]):
        cards = read_embeddings(job.input("second" if place else "cards"), whole.items + 1).numpy()
        encode = encoder_of(described, whole, job.input("items"))
        tasks = make(owners, split, evidence, cards, encode, spec, settings["candidates"])
        threshold = None
        if settings["weights"]["faithfulness"]:
            threshold = strangers_support(tasks, strangers, encode, side, spec["seed"])
        judges.append((name, Judge(tasks, encode, side, settings["weights"], threshold)))

    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    texts, tokens, limit = {}, {}, spec["new_tokens"][side]
    for when in ("before", "after"):
        model, tokenizer = load(source, spec["revision"], spec["context"], job.input(when), {}, False)
        prompts = fitted(judges[0][1].tasks.prompts, tokenizer, spec["context"] - limit)
        # as profiles are written
        ids = generate(model, tokenizer, prompts, limit, spec["write_batch"], spec["model"] == "embedded")
        texts[when], tokens[when] = tokenizer.batch_decode(ids, skip_special_tokens=True), [len(i) for i in ids]
    rows = []
    for place, (name, judge) in enumerate(judges):
        random = generator(spec["seed"], "audit")
        rows += compare(judge, texts, tokens, name, place == 0, random)
    frame = pl.DataFrame(rows, schema=AUDIT)
    print(table := markdown(frame, side))
    write_table(frame, job.outputs["csv"], AUDIT)
    write_text(table, job.outputs["markdown"])
    return {"owners": len(judges[0][1].tasks.owners), "thresholds": {n: j.threshold for n, j in judges}}


if __name__ == "__main__":
    run(main)
