"""What the jobs share that write the profiles of a whole side, all of them or a shard of their answers."""

from contextlib import suppress
from pathlib import Path

from ptebench.files import TRAIN, read_embeddings, read_jsonl, read_table
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.models.loading import load, model_source
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.tables import read_profiles
from ptebench.profiles.writing.answers import answered, write
from ptebench.profiles.writing.sides import everybody
from ptebench.provenance import digest

STAGES = ("warm", "cold")  # the prompts of cold items show what was written of warm ones


def prepare(job):
    """Return (model, tokenizer, everyone); everyone(write) -> what `everybody` returns of the job's split and side."""
    spec = job.spec
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    histories = read_table(job.input("histories"), TRAIN)
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    evidence = read_profiles(job.input("evidence")) if job.input("evidence") else {}
    source = model_source(spec, job.input("base"))
    model, tokenizer = load(**source, adapter=job.input("adapter"), lora={}, trainable=False)

    def everyone(write):
        return everybody(spec["side"], split, histories, cards, evidence, spec, write)

    return model, tokenizer, everyone


def answer_fingerprint(job) -> str:
    """Return the digest of all that an answer depends on beside its prompt: code, models, decoding."""
    keys = ("model", "weights", "context", "write_batch", "template_arguments")
    parts = {key: job.spec.get(key) for key in keys} | {"new_tokens": job.spec["new_tokens"][job.spec["side"]]}
    return job.fingerprint(parts, ("base", "adapter"))


def read_answers(paths: list[Path]) -> dict[str, dict]:
    """Return the answers in the files of shards by the digest of their prompts."""
    return {row.pop("key"): row for path in paths for row in read_jsonl(path)}


class Enough(Exception):
    """The shard is answered."""


def answer_shard(model, tokenizer, everyone, spec: dict, earlier: dict, answers: dict, keep) -> tuple[list[dict], dict]:
    """Return the answers to every so many-th prompt of a stage, a row each, and counts.

    everyone: of `prepare`. earlier: answers of the stages before, by digest. answers, keep: of `open_answers`.
    """
    rows: list[dict] = []
    record: dict[str, int] = {}
    stages, side = iter(STAGES), spec["side"]

    def written(ids, prompts):
        if next(stages) != spec["stage"]:
            return write(model, tokenizer, ids, prompts, side, spec, {}, known=earlier)
        prompts = fitted(prompts, tokenizer, spec["context"] - spec["new_tokens"][side])
        share = list(dict.fromkeys(prompts))[spec["shard"] :: spec["shards"]]
        replies, counts = answered(model, tokenizer, share, side, spec, answers, keep)
        rows.extend({"key": digest(p), **reply} for p, reply in zip(share, replies))
        record.update(counts)
        raise Enough

    with suppress(Enough):
        everyone(written)
    return rows, record
