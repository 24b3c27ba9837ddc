"""Run one half-round: fine-tune the adapter on one side, then write the profiles that the next prompts show."""

import hashlib
import shutil
from pathlib import Path

from ptebench.files import PROFILES, atomic, read_embeddings, read_json, read_jsonl, read_table, write_table
from ptebench.job import run
from ptebench.profiles.evidence.owners import cold_examples, draw
from ptebench.profiles.evidence.prompts import item_prompts, messages, user_prompts
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.tables import fields_by_id, read_profiles, shuffled
from ptebench.provenance import canonical, digest, file_digest


def passed_on(job) -> bool:
    """Copy the same side's previous round where its probe says that rounds end; say whether that was so."""
    probe = job.input("probe")
    if probe is None or read_json(probe)["next"] != "end":
        return False
    for name, path in job.outputs.items():
        with atomic(path) as temporary:
            shutil.copyfile(job.input(f"earlier_{name}"), temporary)
    return True


def scratch_folder(job) -> Path:
    """Return the folder of this half-round's checkpoints; those of other settings, inputs or code are removed."""
    inputs = {name: [file_digest(p) for p in paths] for name, paths in job.inputs.items()}
    made_of = hashlib.sha256(canonical([job.spec, job.code, inputs]).encode()).hexdigest()[:16]
    folder = job.outputs["adapter"].with_name("training")
    for path in folder.glob("*"):
        if path.name != made_of:
            shutil.rmtree(path)
    return folder / made_of


def main(job):
    if passed_on(job):
        print("the rounds have ended: the previous one is passed on")
        return {"passed": True}
    import torch

    from ptebench.profiles.models.adapters import merged, save_adapter
    from ptebench.profiles.models.finetune import finetune, finetune_by
    from ptebench.profiles.models.loading import load, load_tokenizer, whose
    from ptebench.profiles.models.tokens import shortened
    from ptebench.profiles.rounds.dialogues import Dialogue, first_turn
    from ptebench.profiles.writing.answers import write

    torch.set_num_threads(job.threads)
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn = draw(split, spec["seed"], spec["probes"])
    split = split.without(drawn.held)
    rows = {s: read_jsonl(job.input(f"{s}_instructions")) for s in ("user", "item")}
    ids = {s: [row["id"] for row in rows[s]] for s in rows}
    probe = read_json(job.input("probe")) if job.input("probe") else {"next": "continue", "retried": False}
    # a refused round is continued by none: the next goes on from what that one had continued
    back = "retreat" if probe["next"] == "retry" else "earlier"
    adapter, shown = job.input("adapter"), job.input("evidence")
    if side == "user" and back == "retreat":
        adapter, shown = job.input("retreat_adapter"), job.input("retreat_profiles")
    evidence = read_profiles(shown) if shown else {}
    tuning = spec["tuning"]
    if probe["retried"]:
        tuning = tuning | {"learning_rate": tuning["learning_rate"] / 2}

    if side == "user":
        if shown and spec["loop"] == "shuffled":
            evidence = fields_by_id(shuffled(read_table(shown, PROFILES), spec["seed"]))

        def prompts(chosen, cold=()):
            return user_prompts(chosen, split.train, split.cards, evidence, spec)

        readers = split.readers(spec["neighbours"], spec["seed"])
        wanted = {u for i in ids["item"] + drawn.probes["item"] for u in readers.get(i, [])}
    else:
        earlier = read_profiles(job.input(f"{back}_profiles")) if job.input("probe") else {}

        def prompts(chosen, cold=()):
            return item_prompts(chosen, split, evidence, earlier, set(cold), cards, spec)

        people = ids["user"] + drawn.probes["user"]
        wanted = {i for u in people for i in split.train[u][-spec["neighbours"] :]}
    wanted = sorted(wanted | set(drawn.probes[side]))

    model_settings = whose(job) | {key: spec[key] for key in ("lora", "quantization")}
    tokenizer = load_tokenizer(*(model_settings[key] for key in ("source", "revision", "template_arguments")))
    examples = rows[side]
    if spec["round"] and spec["loop"] != "static":
        texts = prompts(ids[side], cold_examples(ids[side], spec["seed"]) if side == "item" else ())
        for place, row in enumerate(examples):
            if "dialogue" in row:
                texts[place] = first_turn(Dialogue(**row["dialogue"]), split, evidence, spec)
        examples = [{**row, "prompt": messages(text)} for row, text in zip(examples, texts)]
    examples, lengths = shortened(examples, tokenizer, spec["context"] - spec["new_tokens"][side])
    print("tokens of prompts:", lengths)
    losses, scratch, many = [], scratch_folder(job), spec["processes"] > 1
    # distillation teaches both sides, or one of them could write nothing
    learns = not spec["round"] or spec["loop"] not in ("user", "item") or spec["loop"] == side
    arguments = {"settings": tuning, "context": spec["context"], "seed": spec["seed"]}
    if learns and many:
        continued = model_settings | {"adapter": adapter and str(adapter)}
        adapter, losses = finetune_by(spec["processes"], continued, examples, arguments, scratch)
    torch.manual_seed(spec["seed"])  # a new adapter is drawn at random
    model, tokenizer = load(adapter=adapter, trainable=True, **model_settings)
    if learns and not many:
        losses = finetune(model, tokenizer, examples, scratch=scratch, **arguments)
    if losses:
        print(f"{len(losses)} steps, loss {losses[0]:.3f} to {losses[-1]:.3f}")
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    made = {"round": spec["round"]}
    frame, record = write(merged(model), tokenizer, wanted, prompts(wanted), side, spec, made)
    write_table(frame, job.outputs["profiles"], PROFILES)
    shutil.rmtree(scratch.parent, ignore_errors=True)
    return {
        "passed": False,
        "learning_rate": tuning["learning_rate"],
        "losses": losses,
        "lengths": lengths,
        "prompts_sha256": digest("\0".join(row["prompt"][0]["content"] for row in examples)),
        "written": record,
    }


if __name__ == "__main__":
    run(main)
