"""Run one half-round: fine-tune the adapter on one side, then write the profiles that the next prompts show."""

import shutil

from ptebench.files import PROFILES, atomic, read_embeddings, read_json, read_jsonl, write_table
from ptebench.job import run
from ptebench.profiles.instructions import (
    cold_examples,
    draw,
    item_prompts,
    read_profiles,
    read_split,
    user_prompts,
)
from ptebench.profiles.prompts import digest, messages


def passed_on(job) -> bool:
    """Copy the same side's previous round where its probe says converged; say whether that was so."""
    probe = job.input("probe")
    if probe is None or not read_json(probe)["converged"]:
        return False
    for name, path in job.outputs.items():
        with atomic(path) as temporary:
            shutil.copyfile(job.input(f"earlier_{name}"), temporary)
    return True


def main(job):
    if passed_on(job):
        print("converged: the previous round stands")
        return {"passed": True}
    import torch
    from ptebench.profiles.finetune import finetune
    from ptebench.profiles.language_model import fitted, load, save_adapter
    from ptebench.profiles.write import write

    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn = draw(split, spec["seed"], spec["probes"])
    split = split.without(drawn.held)
    rows = {s: read_jsonl(job.input(f"{s}_instructions")) for s in ("user", "item")}
    ids = {s: [row["id"] for row in rows[s]] for s in rows}
    evidence = read_profiles(job.input("evidence")) if job.input("evidence") else {}

    if side == "user":

        def prompts(chosen, cold=()):
            return user_prompts(chosen, split.train, split.cards, evidence, spec)

        readers = split.readers(spec["neighbours"], spec["seed"])
        wanted = {u for i in ids["item"] + drawn.probes["item"] for u in readers.get(i, [])}
    else:
        earlier = read_profiles(job.input("earlier_profiles")) if job.input("earlier_profiles") else {}

        def prompts(chosen, cold=()):
            return item_prompts(chosen, split, evidence, earlier, set(cold), cards, spec)

        people = ids["user"] + drawn.probes["user"]
        wanted = {i for u in people for i in split.train[u][-spec["neighbours"] :]}
    wanted = sorted(wanted | set(drawn.probes[side]))

    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    torch.manual_seed(spec["seed"])  # a new adapter is drawn at random
    model, tokenizer = load(source, spec["revision"], spec["context"], job.input("adapter"), spec["lora"], True)
    examples = rows[side]
    if spec["round"]:
        texts = prompts(ids[side], cold_examples(ids[side], spec["seed"]) if side == "item" else ())
        examples = [{**row, "prompt": messages(text)} for row, text in zip(examples, texts)]
    limit = spec["context"] - spec["new_tokens"][side]
    texts = fitted([row["prompt"][0]["content"] for row in examples], tokenizer, limit)
    examples = [{**row, "prompt": messages(text)} for row, text in zip(examples, texts)]
    losses = finetune(model, tokenizer, examples, spec["tuning"], spec["context"], spec["seed"])
    print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    made = {"round": spec["round"]}
    frame, record = write(model, tokenizer, wanted, prompts(wanted), side, spec, made)
    write_table(frame, job.outputs["profiles"], PROFILES)
    return {"passed": False, "losses": losses, "prompts_sha256": digest("\0".join(texts)), "written": record}


if __name__ == "__main__":
    run(main)
