"""Write the profiles of all users or all items of a split."""

import polars as pl
import torch
from ptebench.files import PROFILES, TRAIN, read_embeddings, read_table, write_table
from ptebench.job import run
from ptebench.profiles.instructions import fields_by_id, item_prompts, read_profiles, read_split, user_prompts
from ptebench.profiles.language_model import load
from ptebench.profiles.teachers import with_unknown
from ptebench.profiles.write import write


def main(job):
    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    evidence = read_profiles(job.input("evidence")) if job.input("evidence") else {}
    ids = split.vocabulary.filter(side=side)["id"].to_list()
    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    model, tokenizer = load(source, spec["revision"], spec["context"], job.input("adapter"), {}, False)
    made = {"writer": spec["writer"]}
    if side == "user":
        rows = read_table(job.input("histories"), TRAIN)
        histories = dict(zip(rows["user"].to_list(), rows["history"].to_list()))
        known = [u for u in ids if u in histories]
        prompts = user_prompts(known, histories, split.cards, evidence, spec)
        frame, record = write(model, tokenizer, known, prompts, side, spec, made)
        frame = with_unknown(frame, ids)
    else:
        # warm items first: cold ones show the audiences of the warm items that resemble them
        warm = split.warm().tolist()
        prompts = item_prompts(warm, split, evidence, {}, set(), cards, spec)
        frame, record = write(model, tokenizer, warm, prompts, side, spec, made)
        cold = sorted(set(ids) - set(warm))
        if cold:
            prompts = item_prompts(cold, split, {}, fields_by_id(frame), set(cold), cards, spec)
            more, extra = write(model, tokenizer, cold, prompts, side, spec, made)
            frame, record = pl.concat([frame, more]).sort("id"), {"warm": record, "cold": extra}
    write_table(frame, job.outputs["profiles"], PROFILES)
    return {"written": record}


if __name__ == "__main__":
    run(main)
