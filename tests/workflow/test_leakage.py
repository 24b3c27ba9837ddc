"""No test file reaches any rule but ranking, and what is drawn from test events (their groups) reaches metrics only."""

import re

from tests.workflow.conftest import snakemake

READERS = {"test.parquet": {"rank"}, "test_candidates.parquet": {"rank"}, "groups.parquet": {"metrics"}}


def test_test_files_are_inputs_of_ranking_alone(finished):
    done = snakemake(finished, "--dry-run", "--forceall")
    jobs = re.findall(r"^(?:local)?rule (\w+):\n\s+input: (.*)$", done.stdout + done.stderr, re.M)
    assert len(jobs) > 100
    for file, allowed in READERS.items():
        readers = {rule for rule, inputs in jobs if any(path.endswith(f"/{file}") for path in inputs.split(", "))}
        assert readers == allowed, f"{file} is read by {readers}"
    # ranks come after training: nothing that trains, writes or encodes reads them
    after = {rule for rule, inputs in jobs if "ranks.parquet" in inputs}
    assert after == {"metrics"}
