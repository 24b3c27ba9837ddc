"""Make the base model: unpacked from its .gguf file, or built from training cards and the template teacher."""

from ptebench.job import run
from ptebench.profiles.embedded.pretraining import build
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.models.packed import unpack
from ptebench.weights import packed


def main(job):
    folder = job.outputs["model"].parent
    if packed(job.spec["model"]):
        record = unpack(job.spec["model"], folder)
    else:
        split = read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
        probes = {u for u, _ in draw(split, job.spec["seed"], job.spec["probes"]).pairs}
        record = build(split, job.spec, probes, folder)
    print(", ".join(f"{k} {v}" for k, v in record.items()))
    return record


if __name__ == "__main__":
    run(main)
