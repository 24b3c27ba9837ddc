"""Optimise the best round's adapter of one side by GRPO."""

import shutil

from ptebench.encoders import Encoder
from ptebench.files import read_embeddings, write_table
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.judge import training_judge
from ptebench.profiles.grpo.optimise import columns, optimise
from ptebench.profiles.grpo.titles import titles_of
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.loading import load, model_source
from ptebench.profiles.schema.tables import read_profiles


def main(job):
    spec, source = job.spec, model_source(job.spec, job.input("base"))
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    evidence, template = read_profiles(job.input("evidence")), read_profiles(job.input("template"))
    model, tokenizer = load(**source, adapter=job.input("adapter"), lora=spec["lora"], trainable=True)
    asked = spec["side"] == "user" and spec["grpo"]["weights"]["title"]
    titles = titles_of(model, tokenizer, split.cards, spec["context"]) if asked else None
    encoder = Encoder(spec["encoder"], job.input("texts"))
    judge, watched = training_judge(split, cards, evidence, template, encoder, spec, titles)
    scratch = job.outputs["adapter"].with_name("checkpoints")
    rewards, notes = optimise(model, tokenizer, judge, watched, spec, scratch, job.fingerprint())
    for row in rewards.iter_rows(named=True):
        print(", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    write_table(rewards, job.outputs["rewards"], columns(judge))
    shutil.rmtree(scratch, ignore_errors=True)
    accuracy = judge.prefer.accuracy if judge.prefer else None
    return {"threshold_of_faithfulness": judge.threshold, "accuracy_of_preference": accuracy, **notes}


if __name__ == "__main__":
    run(main)
