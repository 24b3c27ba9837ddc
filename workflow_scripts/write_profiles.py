"""Write the profiles of all users or all items of a split by a language model that runs here."""

from ptebench.files import PROFILES, write_table
from ptebench.job import run
from ptebench.profiles.writing.answer_files import answers_file, open_answers
from ptebench.profiles.writing.answers import nothing_written, write
from ptebench.profiles.writing.compose import failed_of
from ptebench.profiles.writing.shards import answer_fingerprint, prepare, read_answers


def main(job):
    spec, profiles = job.spec, job.outputs["profiles"]
    model, tokenizer, everyone = prepare(job)
    shards = read_answers(job.inputs.get("shards", []))
    with open_answers(answers_file(profiles, answer_fingerprint(job))) as (answers, keep):

        def written(ids, prompts):
            made, known = {"writer": spec["writer"]}, answers | shards
            return write(model, tokenizer, ids, prompts, spec["side"], spec, made, known=known, keep=keep)

        frame, record = everyone(written)
    if frame["fields"].null_count() == frame.height:
        raise nothing_written(spec, failed_of(frame))
    write_table(frame, profiles, PROFILES)
    return {"written": record}


if __name__ == "__main__":
    run(main)
