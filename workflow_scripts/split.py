"""Split a dataset by its protocol and check the split for leakage."""

from importlib import import_module

from ptebench.data.leakage import checks
from ptebench.data.splits import CONTRACTS, complete
from ptebench.files import (
    CANDIDATES,
    IMPRESSIONS,
    INTERACTIONS,
    OWN_CANDIDATES,
    InputError,
    read_table,
    write_json,
    write_table,
)
from ptebench.job import run


def main(job):
    interactions = read_table(job.input("interactions"), INTERACTIONS)
    shown = [read_table(path, IMPRESSIONS) for path in job.inputs.get("impressions", [])]
    parts = complete(import_module(f"ptebench.data.protocols.{job.spec['kind']}").split(interactions, job.spec, *shown))
    found = checks(interactions, parts, job.spec)
    for check in found:
        print(f"{check['verdict']:9} {check['check']}: {check['value']}")
    if leaks := [c for c in found if c["verdict"] == "leak"]:
        raise InputError(
            f"{job.input('interactions')}: {job.spec['kind']}: {leaks[0]['check']} is {leaks[0]['value']}, expected "
            f"{leaks[0]['expected']} ({leaks[0]['meaning']}); this split leaks and is not written"
        )
    for name, contract in CONTRACTS.items():
        own = contract is CANDIDATES and "events" in parts[name].columns
        write_table(parts[name], job.outputs[name], OWN_CANDIDATES if own else contract)
    write_json(found, job.outputs["leakage"])
    return {"rows": {name: parts[name].height for name in CONTRACTS}}


if __name__ == "__main__":
    run(main)
