"""Write the profiles of all users or all items of a split by a language model at an endpoint, as it is."""

from ptebench.files import PROFILES, TRAIN, read_embeddings, read_table, write_table
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.tables import read_profiles
from ptebench.profiles.teachers.endpoint import none_of, write_side
from ptebench.profiles.writing.compose import failed_of
from ptebench.profiles.writing.sides import everybody


def main(job):
    spec, side = job.spec, job.spec["side"]
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    histories = read_table(job.input("histories"), TRAIN)
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    evidence = read_profiles(job.input("evidence")) if job.input("evidence") else {}
    answers = job.outputs["profiles"].with_name("answers.jsonl")

    def write(ids, prompts):
        return write_side(ids, prompts, side, spec["endpoint"], answers)

    frame, record = everybody(side, split, histories, cards, evidence, spec, write)
    if frame["fields"].null_count() == frame.height:
        raise none_of(spec["endpoint"], failed_of(frame), answers)
    write_table(frame, job.outputs["profiles"], PROFILES)
    return {"written": record}


if __name__ == "__main__":
    run(main)
