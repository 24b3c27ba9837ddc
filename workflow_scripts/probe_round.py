"""Measure a round on the probes: drift, parse rate, diversity, and what the profiles are worth for ranking."""

from ptebench.files import read_embeddings, read_json, write_json
from ptebench.job import run


def main(job):
    earlier = read_json(job.input("earlier_probe")) if job.input("earlier_probe") else None
    if earlier and earlier["next"] == "end":
        write_json({**earlier, "round": job.spec["round"], "passed": True}, job.outputs["probe"])
        return {"passed": True}
    import numpy as np
    import torch

    from ptebench.encoders import Encoder
    from ptebench.profiles.evidence.owners import draw
    from ptebench.profiles.evidence.prompts import fit
    from ptebench.profiles.evidence.split import read_split
    from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine
    from ptebench.profiles.measures.ranking import ndcg, negatives, ranks
    from ptebench.profiles.rounds.dialogues import area_under_curve, conversation, dialogues, first_turn
    from ptebench.profiles.rounds.drift import embedding_drift, field_drift
    from ptebench.profiles.rounds.probe import CANDIDATES, probe_profiles
    from ptebench.profiles.rounds.verdict import change, verdict
    from ptebench.profiles.schema.tables import parse_rate, read_profiles
    from ptebench.randomness import generator

    torch.set_num_threads(job.threads)
    spec, split = job.spec, read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    encode, drawn = Encoder(spec["encoder"]), draw(split, spec["seed"], spec["probes"])
    now = {s: probe_profiles(job.input(f"{s}_profiles"), drawn.probes[s]) for s in ("user", "item")}
    vectors = {s: encode(frame["text"].to_list()) for s, frame in now.items()}

    held, rest = dict(drawn.held), split.without(drawn.held)
    users = now["user"]["id"].to_list()
    counts = np.bincount(rest.ragged()[0], minlength=split.items + 1)
    cold = split.cold()
    closed = [set(split.train[u]) | cold for u in users]
    others = negatives(generator(spec["seed"], "probe"), counts, closed, CANDIDATES)
    candidates = np.concatenate([np.array([held[u] for u in users])[:, None], others], 1)
    parsed = {s: frame["fields"].is_not_null().to_numpy() for s, frame in now.items()}
    means = np.stack([cards[rest.train[u]].mean(0) for u in users])

    def worth(vectors, parsed):
        # a profile that could not be parsed ranks nothing
        return np.where(parsed, ndcg(ranks(vectors, cards, candidates)), 0)

    utility = worth(vectors["user"], parsed["user"])
    probe = {
        "round": spec["round"],
        "passed": False,
        "continues": None,
        "embedding_drift": None,
        "field_drift": None,
        "utility_change": None,
        "parse_rate_change": None,
        "effective_rank_before": None,
        "parse_rate": {s: parse_rate(frame) for s, frame in now.items()},
        "mean_pairwise_cosine": {s: mean_pairwise_cosine(v) for s, v in vectors.items()},
        "effective_rank": {s: effective_rank(v) for s, v in vectors.items()},
        "utility": float(utility.mean()),
        "utility_of_history_mean": float(ndcg(ranks(means, cards, candidates)).mean()),
        "candidates": candidates.shape[1],
        "probes": {s: frame.height for s, frame in now.items()},
    }
    if earlier:
        # after a refused round this one has continued the one before that
        name, back = ("retreat", 2) if earlier["next"] == "retry" else ("earlier", 1)
        before = {s: probe_profiles(job.input(f"{name}_{s}_profiles"), drawn.probes[s]) for s in now}
        old = {s: encode(frame["text"].to_list()) for s, frame in before.items()}
        could = {s: frame["fields"].is_not_null().to_numpy() for s, frame in before.items()}
        fields = [[f for s in now for f in frames[s]["fields"]] for frames in (now, before)]
        random = generator(spec["seed"], "bootstrap")
        probe |= {
            "continues": spec["round"] - back,
            "embedding_drift": embedding_drift(*(np.concatenate([v[s] for s in now]) for v in (vectors, old))),
            "field_drift": field_drift(*fields, encode),
            "utility_change": change(utility, worth(old["user"], could["user"]), random),
            "parse_rate_change": {s: change(parsed[s], could[s], random) for s in now},
            "effective_rank_before": effective_rank(old["user"]),
        }
        audiences = read_profiles(job.input(f"{name}_item_profiles"))
    if spec["collaborative"]:
        from ptebench.profiles.models.loading import load, whose
        from ptebench.profiles.models.tokens import conversation_tokens
        from ptebench.profiles.rounds.dialogues import preference

        audiences = audiences if earlier else {}  # as the prompts of this round's users showed them
        model, tokenizer = load(**whose(job), adapter=job.input("user_adapter"), lora={}, trainable=False)
        asked, profiles = dialogues(users, split, spec), dict(zip(users, now["user"]["text"].to_list()))
        turns = []
        for dialogue in asked:

            def whole(prompt, dialogue=dialogue):
                return conversation(prompt, profiles[dialogue.user], dialogue, split.cards)

            prompt = first_turn(dialogue, rest, audiences, spec)
            turns.append(
                whole(fit(prompt, lambda p: len(conversation_tokens(whole(p), tokenizer)[0]) - spec["context"]))
            )
        scores = preference(model, tokenizer, turns)
        probe["asked"] = len(turns)
        probe["area_under_curve"] = area_under_curve(scores, np.array([d.chosen for d in asked]))
    probe |= verdict(probe, earlier, spec)
    print(probe)
    write_json(probe, job.outputs["probe"])
    return {"passed": False}


if __name__ == "__main__":
    run(main)
