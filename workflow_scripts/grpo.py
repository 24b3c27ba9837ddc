"""Optimise the best round's adapter of one side by GRPO."""

import hashlib
import shutil

import torch

from ptebench.encoders import Encoder
from ptebench.files import read_embeddings, write_table
from ptebench.job import run
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.optimise import columns, optimise
from ptebench.profiles.grpo.preference import Preference, pairs
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.grpo.tasks import item_tasks, last_items, strangers, strangers_support, user_tasks
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.loading import load, whose
from ptebench.profiles.schema.tables import read_profiles
from ptebench.provenance import canonical, file_digest


def main(job):
    torch.set_num_threads(job.threads)
    spec, side, settings = job.spec, job.spec["side"], job.spec["grpo"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn, evidence = draw(split, spec["seed"], spec["probes"]), read_profiles(job.input("evidence"))
    chosen = drawn.pool[side][::-1][: settings["prompts"]]
    split = split.without(drawn.held)
    encode = Encoder(spec["encoder"])
    owners = last_items(chosen, split, spec["seed"]) if side == "user" else chosen
    make = {"user": user_tasks, "item": item_tasks}[side]
    tasks = make(owners, split, evidence, cards, encode, spec, settings["candidates"])
    template, threshold, prefer = read_profiles(job.input("template")), None, None
    if settings["weights"]["faithfulness"]:
        others = strangers(template, side, split, spec["seed"])
        threshold = strangers_support(tasks, others, encode, side, spec["seed"])
    if settings["weights"]["preference"]:
        rest = drawn.pool[side][: -settings["prompts"]]
        prefer = Preference(pairs(rest, template, split, tasks.known, side, spec["seed"]), tasks.known, encode)

    def fresh(texts):
        # a vector's last digits depend on its batch: a resumed run has not encoded what the run before it had
        encode.vectors.clear()
        return encode(texts)

    judge = Judge(tasks, fresh, side, settings["weights"], threshold, prefer)
    model, tokenizer = load(**whose(job), adapter=job.input("adapter"), lora=spec["lora"], trainable=True)
    given = {name: [file_digest(p) for p in paths] for name, paths in job.inputs.items()}
    fingerprint = hashlib.sha256(canonical([spec, job.code, given]).encode()).hexdigest()
    scratch = job.outputs["adapter"].with_name("checkpoints")
    rewards, notes = optimise(model, tokenizer, judge, spec, scratch, fingerprint)
    for row in rewards.iter_rows(named=True):
        print(", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    write_table(rewards, job.outputs["rewards"], columns(judge))
    shutil.rmtree(scratch, ignore_errors=True)
    accuracy = prefer.accuracy if prefer else None
    return {"threshold_of_faithfulness": threshold, "accuracy_of_preference": accuracy, **notes}


if __name__ == "__main__":
    run(main)
