"""Count what a dataset is, with the published counts beside, and draw how its interactions are spread."""

from ptebench.data.distributions import draw
from ptebench.data.statistics import STATISTICS, compare, describe, read_published
from ptebench.files import INTERACTIONS, ITEMS, atomic, read_json, read_table, write_table
from ptebench.job import run


def main(job):
    interactions, name = read_table(job.input("interactions"), INTERACTIONS), job.spec["dataset"]
    values = describe(interactions, read_table(job.input("items"), ITEMS))
    before = read_json(job.input("record"))["notes"].get("users_before_draw", 0)
    values |= {"users_before_draw": before} if before > values["users"] else {}
    frame = compare(name, values, read_published(job.input("published")), job.spec["published"])
    write_table(frame, job.outputs["statistics"], STATISTICS)
    with atomic(job.outputs["drawing"]) as temporary:
        draw(interactions, name, temporary)
    for statistic, value, published, verdict in frame.select("statistic", "value", "published", "verdict").iter_rows():
        beside = "" if published is None else f" (published {published:,.12g}: {verdict})"
        print(f"{statistic}: {value:,.12g}{beside}")


if __name__ == "__main__":
    run(main)
