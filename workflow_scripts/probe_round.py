"""Measure a round on the probes: drift, parse rate, diversity, and what the profiles are worth for ranking."""

from ptebench.files import read_embeddings, read_json, write_json
from ptebench.job import run


def main(job):
    if job.input("earlier_probe") and (earlier := read_json(job.input("earlier_probe")))["converged"]:
        write_json({**earlier, "round": job.spec["round"], "passed": True}, job.outputs["probe"])
        return {"passed": True}
    import numpy as np
    import torch
    from ptebench.profiles.encode import Encoder
    from ptebench.profiles.instructions import draw, generator, read_split
    from ptebench.profiles.rounds import (
        CANDIDATES,
        effective_rank,
        embedding_drift,
        field_drift,
        is_converged,
        mean_pairwise_cosine,
        ndcg,
        negatives,
        probe_profiles,
        ranks,
    )
    from ptebench.profiles.write import parse_rate

    torch.set_num_threads(job.threads)
    spec, split = job.spec, read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    encode, drawn = Encoder(spec["encoder"]), draw(split, spec["seed"], spec["probes"])
    now = {s: probe_profiles(job.input(f"{s}_profiles"), drawn.probes[s]) for s in ("user", "item")}
    vectors = {s: encode(frame["text"].to_list()) for s, frame in now.items()}

    held, rest = dict(drawn.held), split.without(drawn.held)
    users = now["user"]["id"].to_list()
    counts = np.bincount(rest.ragged()[0], minlength=split.items + 1)
    others = negatives(generator(spec["seed"], "probe"), counts, [set(split.train[u]) for u in users], CANDIDATES)
    candidates = np.concatenate([np.array([held[u] for u in users])[:, None], others], 1)
    parsed = now["user"]["fields"].is_not_null().to_numpy()
    means = np.stack([cards[rest.train[u]].mean(0) for u in users])
    probe = {
        "round": spec["round"],
        "passed": False,
        "embedding_drift": None,
        "field_drift": None,
        "parse_rate": {s: parse_rate(frame) for s, frame in now.items()},
        "mean_pairwise_cosine": {s: mean_pairwise_cosine(v) for s, v in vectors.items()},
        "effective_rank": {s: effective_rank(v) for s, v in vectors.items()},
        # a profile that could not be parsed ranks nothing
        "utility": float(np.where(parsed, ndcg(ranks(vectors["user"], cards, candidates)), 0).mean()),
        "utility_of_history_mean": float(ndcg(ranks(means, cards, candidates)).mean()),
        "candidates": candidates.shape[1],
        "probes": {s: frame.height for s, frame in now.items()},
    }
    if job.input("earlier_probe"):
        before = {s: probe_profiles(job.input(f"earlier_{s}_profiles"), drawn.probes[s]) for s in now}
        old = np.concatenate([encode(before[s]["text"].to_list()) for s in now])
        probe["embedding_drift"] = embedding_drift(np.concatenate([vectors[s] for s in now]), old)
        fields = [[f for s in now for f in frames[s]["fields"]] for frames in (now, before)]
        probe["field_drift"] = field_drift(*fields)
    probe["converged"] = is_converged(probe, spec)
    print(probe)
    write_json(probe, job.outputs["probe"])
    return {"passed": False}


if __name__ == "__main__":
    run(main)
