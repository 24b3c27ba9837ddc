"""Record whether the rounds converged and set the best one apart: adapters, and the profiles its prompts showed."""

import shutil

from ptebench.files import atomic, read_json, write_json
from ptebench.job import run
from ptebench.profiles.rounds import choose


def main(job):
    record = choose([read_json(path) for path in job.inputs["probes"]])
    write_json(record, job.outputs["convergence"])
    best = record["best"]
    origin = {
        "user_adapter": best, "user_adapter_config": best, "item_adapter": best, "item_adapter_config": best,
        "readers": best, "audiences": best - 1,
    }  # fmt: skip
    for name, place in origin.items():
        with atomic(job.outputs[name]) as temporary:
            shutil.copyfile(job.inputs[name][place], temporary)
    utilities = ", ".join(f"{p['utility']:.4f}" for p in record["rounds"])
    print(f"utility by round: {utilities}; best round {best}; converged: {record['converged']}")
    return {"best": best, "converged": record["converged"]}


if __name__ == "__main__":
    run(main)
