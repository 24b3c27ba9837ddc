"""Ask the teacher at an endpoint for the profiles that distillation needs; they are written as supplied ones are."""

from ptebench.files import read_embeddings, write_jsonl
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.tables import read_profiles
from ptebench.profiles.teachers.teach import teach


def main(job):
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    template = {side: read_profiles(job.input(f"template_{side}")) for side in ("user", "item")}
    # beside the one model's own profiles, so that all who ask it share its answers
    answers = job.outputs["user"].parents[2] / job.spec["endpoint"]["name"] / "answers.jsonl"
    rows, record = teach(split, cards, template, job.spec, answers)
    for side, instructions in rows.items():
        write_jsonl(instructions, job.outputs[side])
    return {"taught": record}


if __name__ == "__main__":
    run(main)
