"""Answer one shard of the prompts of a side: every so many-th, of warm users and items or of cold items."""

from ptebench.files import write_jsonl
from ptebench.job import run
from ptebench.profiles.writing.kept import kept, kept_of
from ptebench.profiles.writing.shards import answer_shard, given, maker, prepare


def main(job):
    file, earlier = job.outputs["answers"], given(job.inputs.get("shards", []))
    model, tokenizer, everyone = prepare(job)
    with kept(kept_of(file, maker(job))) as (answers, keep):
        rows, record = answer_shard(model, tokenizer, everyone, job.spec, earlier, answers, keep)
    write_jsonl(rows, file)
    return {"written": record}


if __name__ == "__main__":
    run(main)
