"""Answer one shard of the prompts of a side: every so many-th, of warm users and items or of cold items."""

import torch

from ptebench.files import write_jsonl
from ptebench.job import run
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.writing.answers import answered, write
from ptebench.profiles.writing.kept import kept, kept_of
from ptebench.profiles.writing.shards import STAGES, given, maker, prepare
from ptebench.provenance import digest


class Enough(Exception):
    """The shard is answered."""


def main(job):
    torch.set_num_threads(job.threads)
    spec, side, file = job.spec, job.spec["side"], job.outputs["answers"]
    model, tokenizer, everyone = prepare(job)
    earlier, stages, rows, record = given(job.inputs.get("shards", [])), iter(STAGES), [], {}

    with kept(kept_of(file, maker(job))) as (answers, keep):

        def written(ids, prompts):
            if next(stages) != spec["stage"]:
                return write(model, tokenizer, ids, prompts, side, spec, {}, known=earlier)
            prompts = fitted(prompts, tokenizer, spec["context"] - spec["new_tokens"][side])
            share = list(dict.fromkeys(prompts))[spec["shard"] :: spec["shards"]]
            found, counts = answered(model, tokenizer, share, side, spec, answers, keep)
            rows.extend({"key": digest(p), **answer} for p, answer in zip(share, found))
            record.update(counts)
            raise Enough

        try:
            everyone(written)
        except Enough:
            pass
    write_jsonl(rows, file)
    return {"written": record}


if __name__ == "__main__":
    run(main)
