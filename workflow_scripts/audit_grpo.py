"""Audit GRPO on owners that it never saw, with the encoder of its reward and with a second one."""

from ptebench.embeddings.texts import read_training_texts
from ptebench.files import VOCABULARY, read_embeddings, read_table, write_table, write_text
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.audit import AUDIT, Audit, answers_of, markdown
from ptebench.profiles.models.loading import model_source
from ptebench.profiles.schema.tables import read_profiles


def main(job):
    spec, source = job.spec, model_source(job.spec, job.input("base"))
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    items = read_table(job.input("vocabulary"), VOCABULARY).filter(side="item")
    cards = read_training_texts(job.input("items"), "card", items, job.input("train"))
    vectors = [read_embeddings(job.input(file), split.items + 1).numpy() for file in ("cards", "second")]
    spaces = {name: (settings, matrix) for (name, settings), matrix in zip(spec["encoders"], vectors)}

    def answer(prompts):
        return {when: answers_of(prompts, source, job.input(when), spec) for when in ("before", "after")}

    audit = Audit(split, read_profiles(job.input("evidence")), read_profiles(job.input("template")), spec)
    frame, notes = audit.run(spaces, cards, answer)
    print(table := markdown(frame, spec["side"]))
    write_table(frame, job.outputs["csv"], AUDIT)
    write_text(table, job.outputs["md"])
    return notes


if __name__ == "__main__":
    run(main)
