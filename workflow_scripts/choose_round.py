"""Record whether the rounds converged, draw them, and set the best one apart: adapters, and what its prompts showed."""

import polars as pl

from ptebench.files import PROFILES, atomic, copy, read_json, read_table, write_json, write_table
from ptebench.job import run
from ptebench.profiles.rounds.curves import draw_rounds
from ptebench.profiles.rounds.verdict import choose
from ptebench.profiles.schema.tables import shuffle


def main(job):
    record = choose([read_json(path) for path in job.inputs["probes"]])
    write_json(record, job.outputs["convergence"])
    title = f"Profiles of {job.spec['dataset']}, {job.spec['protocol']}, {job.spec['language_model']}"
    with atomic(job.outputs["rounds"]) as temporary:
        draw_rounds(record["rounds"], title, temporary)
    best, other_side = record["best"], record["shown"]
    origin = {
        "user_adapter": best, "user_adapter_config": best, "item_adapter": best, "item_adapter_config": best,
        "readers": best,
    }  # fmt: skip
    audiences = pl.DataFrame(schema=PROFILES)  # the prompts of distillation show none
    if other_side is not None:
        audiences = read_table(job.inputs["audiences"][other_side], PROFILES)
    if job.spec["loop"] == "shuffled":  # what is written in the end shows what the rounds were taught with
        audiences = shuffle(audiences, job.spec["seed"])
    write_table(audiences, job.outputs["audiences"], PROFILES)
    for name, place in origin.items():
        copy(job.inputs[name][place], job.outputs[name])
    utilities = ", ".join(f"{p['utility']:.4f}" for p in record["rounds"])
    print(f"utility by round: {utilities}; best round {best}; converged: {record['converged']}")
    if record["stopped"]:
        print(f"ended by a second refusal: {record['stopped']}")
    return {"best": best, "converged": record["converged"], "stopped": record["stopped"]}


if __name__ == "__main__":
    run(main)
