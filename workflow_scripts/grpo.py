"""Optimise the best round's adapter of one side by GRPO."""

import torch
from ptebench.files import read_embeddings, write_table
from ptebench.job import run
from ptebench.profiles.encode import Encoder
from ptebench.profiles.grpo import REWARDS, item_tasks, optimise, user_tasks
from ptebench.profiles.instructions import draw, read_profiles, read_split
from ptebench.profiles.language_model import load, save_adapter


def main(job):
    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn, evidence = draw(split, spec["seed"], spec["probes"]), read_profiles(job.input("evidence"))
    chosen = drawn.pool[side][::-1][: spec["grpo"]["prompts"]]
    encode = Encoder(spec["encoder"])
    tasks = {"user": user_tasks, "item": item_tasks}[side](chosen, split.without(drawn.held), evidence, cards, spec)
    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    model, tokenizer = load(source, spec["revision"], spec["context"], job.input("adapter"), spec["lora"], True)
    rewards = optimise(model, tokenizer, tasks, encode, side, spec)
    for row in rewards.iter_rows(named=True):
        print(", ".join(f"{name} {value:.3f}" for name, value in row.items()))
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    write_table(rewards, job.outputs["rewards"], REWARDS)
    return {"prompts": len(tasks.prompts), "steps": rewards.height}


if __name__ == "__main__":
    run(main)
