"""Write the raw files of a simulated dataset in a publisher's schema, and the truth behind them."""

from ptebench.data import simulate, simulate_snapshots
from ptebench.job import run


def main(job):
    if job.spec["snapshots"]:
        truth = simulate_snapshots.write(job.spec, job.outputs)
        events = len(truth.train[0]) + len(truth.test[0])
    else:
        events = len(simulate.write(job.spec, job.outputs).item)
    return {"seed": job.spec["seed"], "events": events}


if __name__ == "__main__":
    run(main)
