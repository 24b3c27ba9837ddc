"""Audit GRPO on owners that it never saw, with the encoder of its reward and with a second one."""

import numpy as np
import polars as pl
import torch

from ptebench.encoders import Encoder, encode
from ptebench.files import ITEMS, read_embeddings, read_table, write_table, write_text
from ptebench.job import run
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.audit import AUDIT, compare, markdown
from ptebench.profiles.grpo.preference import Preference, pairs
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.grpo.tasks import item_tasks, strangers, strangers_support, user_tasks
from ptebench.profiles.models.loading import load, whose
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.fields import phrases, strict
from ptebench.profiles.schema.tables import read_profiles
from ptebench.randomness import generator


def encoder_of(settings: dict, split, items, texts: list[str]):
    """Return a function of texts, any of `texts`, to vectors in the space of the encoder's card vectors."""
    if settings["kind"] != "lsa":
        return Encoder(settings)
    words = split.vocabulary.filter(side="item").sort("id")
    cards = words.join(read_table(items, ITEMS), left_on="raw", right_on="item_id", how="left", maintain_order="left")
    fit = cards["card"].gather(split.warm() - 1).to_list()  # as the card vectors were fitted
    known = dict(zip(texts, encode(texts, settings, fit)))
    return lambda asked: np.stack([known[text] for text in asked])


def written(job, prompts: list[str]) -> tuple[dict, dict]:
    """Return the answers to the prompts and their lengths, under `before` and `after`, decoded as profiles are."""
    spec, side = job.spec, job.spec["side"]
    texts, tokens, limit = {}, {}, spec["new_tokens"][side]
    for when in ("before", "after"):
        model, tokenizer = load(**whose(job), adapter=job.input(when), lora={}, trainable=False)
        shown = fitted(prompts, tokenizer, spec["context"] - limit)
        within = side if spec["model"] == "embedded" else None
        ids = generate(model, tokenizer, shown, limit, spec["write_batch"], within)
        texts[when] = [text.strip() for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]
        tokens[when] = [len(i) for i in ids]
    return texts, tokens


def main(job):
    torch.set_num_threads(job.threads)
    spec, side, settings = job.spec, job.spec["side"], job.spec["grpo"]
    whole = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    drawn, evidence = draw(whole, spec["seed"], spec["probes"]), read_profiles(job.input("evidence"))
    if side == "user":
        owners, split, make = dict(sorted(drawn.held)), whole, user_tasks
    else:
        owners, split, make = drawn.probes["item"], whole.without(drawn.held), item_tasks
    template = read_profiles(job.input("template"))
    others = strangers(template, side, split, spec["seed"])

    rows, thresholds, accuracies, texts, tokens, asked, compared = [], {}, {}, None, None, [], None
    for (name, described), file in zip(spec["encoders"], ("cards", "second")):
        cards = read_embeddings(job.input(file), whole.items + 1).numpy()
        vectors = encoder_of(described, whole, job.input("items"), asked)
        tasks = make(owners, split, evidence, cards, vectors, spec, settings["candidates"])
        if texts is None:  # the prompts are the same for every encoder
            texts, tokens = written(job, tasks.prompts)
            profiles = [(evidence, {"user": "item", "item": "user"}[side]), (others, side)]
            asked = [phrase for of, whose in profiles for fields in of.values() for phrase in phrases(fields, whose)]
            for text in texts["before"] + texts["after"]:
                if fields := strict(text, side):
                    asked += [text, *phrases(fields, side)]
            if settings["weights"]["preference"]:
                rest = drawn.pool[side][: -settings["prompts"]]
                compared = pairs(rest, template, split, tasks.known, side, spec["seed"])
                asked += compared.chosen + compared.rejected
            asked = list(dict.fromkeys(asked))
        threshold = None
        if settings["weights"]["faithfulness"]:
            threshold = thresholds[name] = strangers_support(tasks, others, vectors, side, spec["seed"])
        prefer = None
        if compared:
            prefer = Preference(compared, tasks.known, vectors)
            accuracies[name] = prefer.accuracy
        judge = Judge(tasks, vectors, side, settings["weights"], threshold, prefer)
        rows += compare(judge, texts, tokens, name, file == "cards", generator(spec["seed"], "audit"))
    frame = pl.DataFrame(rows, schema=AUDIT)
    print(table := markdown(frame, side))
    write_table(frame, job.outputs["csv"], AUDIT)
    write_text(table, job.outputs["md"])
    return {
        "owners": len(texts["before"]),
        "thresholds_of_faithfulness": thresholds,
        "accuracies_of_preference": accuracies,
    }


if __name__ == "__main__":
    run(main)
