"""Answer one shard of the prompts of a side: every so many-th, of warm users and items or of cold items."""

from ptebench.files import write_jsonl
from ptebench.job import run
from ptebench.profiles.writing.answer_files import answers_file, open_answers
from ptebench.profiles.writing.shards import answer_fingerprint, answer_shard, prepare, read_answers


def main(job):
    file, earlier = job.outputs["answers"], read_answers(job.inputs.get("shards", []))
    model, tokenizer, everyone = prepare(job)
    with open_answers(answers_file(file, answer_fingerprint(job))) as (answers, keep):
        rows, record = answer_shard(model, tokenizer, everyone, job.spec, earlier, answers, keep)
    write_jsonl(rows, file)
    return {"written": record}


if __name__ == "__main__":
    run(main)
