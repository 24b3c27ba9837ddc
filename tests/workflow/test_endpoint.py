"""Endpoints in the workflow: no job asks one that no text needs, and a key's variable makes nothing stale."""

import shutil

import pytest

from tests.workflow.conftest import ROOT, SKIP, planned, snakemake

FILES = ("gpt/item.parquet", "embedded/instructions/user.jsonl")
TARGETS = [f"results/profiles/shop/cold_start_user/{file}" for file in FILES]
GPT = "  gpt: {endpoint: 'http://127.0.0.1:1/v1', model: m, key_variable: A_KEY, temperature: 0.0}\n"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A checkout whose embedded model is taught at an endpoint, with the profiles of both."""
    folder = tmp_path_factory.mktemp("endpoint") / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    plain = planned(folder)
    assert plain["write_profiles"] and not {"teach", "endpoint_profiles"} & set(plain)
    edit(folder, "  embedded:  ", GPT + "  embedded:  ")
    assert not {"teach", "endpoint_profiles"} & set(planned(folder)), "defined is not yet used"
    edit(folder, "    max_rounds: 1\n", "    max_rounds: 1\n    teacher: gpt\n")
    jobs = planned(folder, *TARGETS)
    assert (jobs["teach"], jobs["endpoint_profiles"], jobs["instructions"]) == (1, 2, 1)
    done = snakemake(folder, *TARGETS)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def edit(folder, old, new):
    file = folder / "config.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "old, new, jobs",
    [
        ("key_variable: A_KEY, ", "key_variable: ANOTHER_KEY, ", {}),
        ("temperature: 0.0", "temperature: 0.5", {"teach": 1, "instructions": 1, "endpoint_profiles": 2}),
        ("    context: 512", "    context: 500", {}),
    ],
    ids=["the key's variable", "a setting of the endpoint", "a setting of another model"],
)
def test_what_is_asked_again(asked, old, new, jobs):
    before = (asked / "config.yaml").read_text()
    edit(asked, old, new)
    try:
        assert planned(asked, *TARGETS) == jobs
    finally:
        (asked / "config.yaml").write_text(before)
