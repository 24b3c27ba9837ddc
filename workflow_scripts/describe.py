"""Count what a dataset is, with the published counts beside."""

from ptebench.data.statistics import STATISTICS, compare, describe, read_published
from ptebench.files import INTERACTIONS, ITEMS, read_table, write_table
from ptebench.job import run


def main(job):
    interactions = read_table(job.input("interactions"), INTERACTIONS)
    values = describe(interactions, read_table(job.input("items"), ITEMS))
    frame = compare(job.spec["dataset"], values, read_published(job.input("published")), job.spec["published"])
    write_table(frame, job.outputs["statistics"], STATISTICS)
    for name, value, published, verdict in frame.select("statistic", "value", "published", "verdict").iter_rows():
        beside = "" if published is None else f" (published {published:,.12g}: {verdict})"
        print(f"{name}: {value:,.12g}{beside}")


if __name__ == "__main__":
    run(main)
