"""Split a dataset by its protocol and check the split for leakage."""

from importlib import import_module

from ptebench.data.leakage import check_split
from ptebench.data.splits import CONTRACTS, complete, dated
from ptebench.errors import InputError
from ptebench.files import CANDIDATES, IMPRESSIONS, INTERACTIONS, OWN_CANDIDATES, read_table, write_json, write_table
from ptebench.job import run


def main(job):
    interactions = read_table(job.input("interactions"), INTERACTIONS)
    impressions = [read_table(path, IMPRESSIONS) for path in job.inputs.get("impressions", [])]
    settings = dated(job.spec, interactions)
    protocol = import_module(f"ptebench.data.protocols.{settings['kind']}")
    parts = complete(protocol.split(interactions, settings, *impressions))
    results = check_split(interactions, parts, settings)
    for check in results:
        print(f"{check['verdict']:9} {check['check']}: {check['value']}")
    if leaks := [c for c in results if c["verdict"] == "leak"]:
        raise InputError(
            f"{job.input('interactions')}: {job.spec['kind']}: {leaks[0]['check']} is {leaks[0]['value']}, expected "
            f"{leaks[0]['expected']} ({leaks[0]['meaning']}); this split leaks and is not written"
        )
    for name, contract in CONTRACTS.items():
        own = contract is CANDIDATES and "events" in parts[name].columns
        write_table(parts[name], job.outputs[name], OWN_CANDIDATES if own else contract)
    write_json(results, job.outputs["leakage"])
    cuts = {key: settings[key] for key in ("cut", "cuts") if key in settings}
    return {"rows": {name: parts[name].height for name in CONTRACTS}, **cuts}


if __name__ == "__main__":
    run(main)
