"""Read what a dataset's users were shown, and what of it they clicked, from its raw files."""

from importlib import import_module

from ptebench.data.filters import select_impressions
from ptebench.files import IMPRESSIONS, INTERACTIONS, read_table, write_table
from ptebench.job import run


def main(job):
    source = job.spec.get("layout", job.spec["source"])
    impressions = import_module(f"ptebench.data.sources.{source}").read(job.inputs, job.spec).impressions
    users = read_table(job.input("interactions"), INTERACTIONS)["user_id"].unique()
    impressions_of_users = select_impressions(users, impressions, job.spec)
    write_table(impressions_of_users, job.outputs["impressions"], IMPRESSIONS)
    notes = {
        "impressions_read": impressions.height,
        "impressions": impressions_of_users.height,
        "shown": int(impressions_of_users["shown"].list.len().sum()),
        "clicked": int(impressions_of_users["clicked"].list.len().sum()),
    }
    for name, value in notes.items():
        print(f"{name.replace('_', ' ')}: {value:,}")
    return {"notes": notes}


if __name__ == "__main__":
    run(main)
