"""Measure a round on the probes: drift, parse rate, diversity, and what the profiles are worth for ranking."""

from ptebench.files import PROFILES, read_embeddings, read_json, read_table, write_json
from ptebench.job import run


def main(job):
    spec, earlier = job.spec, job.input("earlier_probe") and read_json(job.input("earlier_probe"))
    if earlier and earlier["next"] == "end":
        write_json({**earlier, "round": spec["round"], "passed": True}, job.outputs["probe"])
        return {"passed": True}
    import torch

    from ptebench.encoders import Encoder
    from ptebench.profiles.evidence.split import read_split
    from ptebench.profiles.rounds.probe import Probes
    from ptebench.profiles.rounds.verdict import verdict

    torch.set_num_threads(job.threads)
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    probes, before = Probes(split, cards, Encoder(spec["encoder"], job.input("texts")), spec), {}
    profiles = {side: read_table(job.input(f"{side}_profiles"), PROFILES) for side in ("user", "item")}
    probe = probes.measure(profiles)
    if earlier:  # after a refused round this one has continued the one before that
        name, back = ("retreat", 2) if earlier["next"] == "retry" else ("earlier", 1)
        before = {side: read_table(job.input(f"{name}_{side}_profiles"), PROFILES) for side in profiles}
        probe |= {"continues": spec["round"] - back} | probes.compare(profiles, before)
    if spec["collaborative"]:  # else no language model is asked, and none of its packages imported
        from ptebench.profiles.models.loading import load, model_source

        source = model_source(spec, job.input("base")) | {"adapter": job.input("user_adapter")}
        probe |= probes.ask(*load(**source, lora={}, trainable=False), profiles, split, before.get("item"))
    print(probe := probe | verdict(probe, earlier, spec))
    write_json(probe, job.outputs["probe"])
    return {"passed": False}


if __name__ == "__main__":
    run(main)
