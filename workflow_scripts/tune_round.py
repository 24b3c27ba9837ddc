"""Run one half-round: fine-tune the adapter on one side, then write the profiles that the next prompts show."""

import shutil

from ptebench.files import PROFILES, copy, read_embeddings, read_json, read_jsonl, read_table
from ptebench.job import run
from ptebench.profiles.rounds.order import FIRST, inputs_of


def main(job):
    probe = read_json(job.input("probe")) if job.input("probe") else FIRST
    if probe["next"] == "end":
        print("the rounds have ended: the previous one is passed on")
        for name, path in job.outputs.items():
            copy(job.input(f"earlier_{name}"), path)
        return {"passed": True}
    import torch

    from ptebench.profiles.evidence.split import read_split
    from ptebench.profiles.models.adapters import save_adapter
    from ptebench.profiles.models.loading import model_source
    from ptebench.profiles.rounds.half_round import HalfRound

    torch.set_num_threads(job.threads)
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    rows = {side: read_jsonl(job.input(f"{side}_instructions")) for side in ("user", "item")}
    adapter, *shown = map(job.input, inputs_of(job.spec["side"], probe))
    evidence = (path and read_table(path, PROFILES) for path in shown)
    half = HalfRound(job.spec, split, cards, rows, probe["retried"], *evidence, vectors=job.input("texts"))
    scratch, source = job.outputs["adapter"].with_name("training"), model_source(job.spec, job.input("base"))
    model, tokenizer, notes = half.tune(source, adapter, scratch, job.fingerprint())
    save_adapter(model, job.outputs["adapter"], job.outputs["adapter_config"])
    record = half.write(model, tokenizer, job.outputs["profiles"])
    shutil.rmtree(scratch, ignore_errors=True)
    return {"passed": False, **notes, "written": record}


if __name__ == "__main__":
    run(main)
