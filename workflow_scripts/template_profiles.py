"""Write the template teacher's profiles of all users and items of a split; no language model."""

import numpy as np
import polars as pl

from ptebench.files import PROFILES, TRAIN, ragged, read_table, write_table
from ptebench.job import run
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.tables import with_unknown
from ptebench.profiles.teachers.template import Template, template_frame


def main(job):
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    histories = read_table(job.input("histories"), TRAIN).sort("user")
    template = Template(split.cards, *split.ragged())
    evidence = histories["history"].cast(pl.List(pl.String)).list.join(" ").to_list()
    users = template.users(*ragged(histories["history"]))
    frame = template_frame(histories["user"], users, evidence, "user")
    everyone = split.vocabulary.filter(side="user")["id"].to_list()
    write_table(with_unknown(frame, everyone), job.outputs["user"], PROFILES)
    ids = np.arange(1, split.items + 1)
    lines = [split.cards.line(i) for i in ids]
    write_table(template_frame(ids, template.items(ids), lines, "item"), job.outputs["item"], PROFILES)
    return {"users": len(users), "items": len(ids), "keyphrases": len(template.names[1])}


if __name__ == "__main__":
    run(main)
