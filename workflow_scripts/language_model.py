"""Build the embedded language model from a split's training cards and the template teacher."""

from ptebench.job import run
from ptebench.profiles.embedded.pretraining import build
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split


def main(job):
    split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    probes = {u for u, _ in draw(split, job.spec["seed"], job.spec["probes"]).held}
    record = build(split, job.spec, probes, job.outputs["model"].parent)
    print(", ".join(f"{k} {v}" for k, v in record.items()))
    return record


if __name__ == "__main__":
    run(main)
