"""No test file reaches any rule but ranking and what ranking feeds, by a walk of the demo's jobs and their commands."""

import re
import subprocess

import pytest

from tests.workflow.conftest import snakemake

READERS = {"test.parquet": {"rank"}, "test_candidates.parquet": {"rank"}, "groups.parquet": {"metrics", "table"}}
AFTER = {"rank", "metrics", "table"}  # what may depend on a test file


def words(command):
    """Return the words of a job's command as bash hands them over, paths in braces one by one."""
    line = "printf '%s\\0' " + command.rpartition(" > ")[0]
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.split("\0")[:-1]


@pytest.fixture(scope="module")
def jobs(finished):
    """Return (rule, inputs, outputs, command) of every job of the demo."""
    done = snakemake(finished, "--dry-run", "--forceall", "--printshellcmds")
    found = []
    for block in re.split(r"\n(?=(?:local)?rule )", done.stdout + done.stderr):
        fields = dict(re.findall(r"^ {4}(input|output): (.*)$", block, re.M))
        rule = re.match(r"(?:local)?rule (\w+):", block)
        if rule and "output" in fields:
            command = re.search(r"^Shell command: (python -m .*)$", block, re.M)
            inputs, outputs = (set(fields.get(k, "").split(", ")) - {""} for k in ("input", "output"))
            found.append((rule[1], inputs, outputs, words(command[1])))
    assert len(found) > 100 and AFTER | {"split", "train", "grpo", "embed"} <= {job[0] for job in found}
    return found


def test_test_files_are_inputs_of_ranking_alone(jobs):
    for file, allowed in READERS.items():
        readers = {rule for rule, inputs, *_ in jobs if any(path.endswith(f"/{file}") for path in inputs)}
        assert readers == allowed, f"{file} is read by {readers}"


def test_nothing_but_evaluation_depends_on_a_test_file(jobs):
    """All that can be reached from a test file along the jobs is ranks, metrics and tables."""
    reached = {path for *_, outputs, _ in jobs for path in outputs if path.rpartition("/")[2] in READERS}
    assert len(reached) == 2 * len(READERS), "of two splits"
    rules, before = set(), -1
    while len(reached) > before:
        before = len(reached)
        for rule, inputs, outputs, _ in jobs:
            if inputs & reached:
                rules.add(rule)
                reached |= outputs
    assert rules == AFTER
    # and what the split itself was made from comes before it: one rule splits it, one describes it to the reader
    whole = {rule for rule, inputs, *_ in jobs if any(path.endswith("/interactions.parquet") for path in inputs)}
    assert whole == {"split", "describe"}


def test_a_command_reads_and_writes_what_its_rule_declares(jobs):
    """A path that a job were handed behind the graph's back would stand in its command."""
    for rule, inputs, outputs, command in jobs:
        paths = {word for word in command if re.match(r"results/.*\.\w+$", word)}
        assert paths <= inputs | outputs, f"{rule}: {paths - inputs - outputs}"
        assert rule in ("split", *AFTER) or not any(path.rpartition("/")[2] in READERS for path in paths), rule
