"""Write the raw files of a simulated dataset in a publisher's schema, and the truth behind them."""

from ptebench.data.simulate import write
from ptebench.job import run


def main(job):
    planted = write(job.spec, job.outputs)
    return {"seed": job.spec["seed"], "events": len(planted.item)}


if __name__ == "__main__":
    run(main)
