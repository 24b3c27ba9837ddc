"""Write the profiles of all users or all items of a split by a language model that runs here."""

import torch
from ptebench.files import PROFILES, TRAIN, read_embeddings, read_table, write_table
from ptebench.job import run
from ptebench.profiles.compose import everybody
from ptebench.profiles.instructions import read_profiles, read_split
from ptebench.profiles.language_model import load
from ptebench.profiles.write import write


def main(job):
    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    histories = read_table(job.input("histories"), TRAIN)
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    evidence = read_profiles(job.input("evidence")) if job.input("evidence") else {}
    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    model, tokenizer = load(source, spec["revision"], spec["context"], job.input("adapter"), {}, False)

    def written(ids, prompts):
        return write(model, tokenizer, ids, prompts, side, spec, {"writer": spec["writer"]})

    frame, record = everybody(side, split, histories, cards, evidence, spec, written)
    write_table(frame, job.outputs["profiles"], PROFILES)
    return {"written": record}


if __name__ == "__main__":
    run(main)
