"""Draw how a dataset's interactions are spread over items, users and time."""

from ptebench.data.distributions import draw
from ptebench.files import INTERACTIONS, atomic, read_table
from ptebench.job import run


def main(job):
    with atomic(job.outputs["drawing"]) as temporary:
        draw(read_table(job.input("interactions"), INTERACTIONS), job.spec["dataset"], temporary)


if __name__ == "__main__":
    run(main)
