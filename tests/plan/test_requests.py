"""What a job asks a machine for: by sizes, by earlier runs, else what the profile says."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import Wildcards
from snakemake.resources import Resource

from ptebench import resources
from ptebench.plan.cells import Cells
from ptebench.plan.requests import Requests
from ptebench.plan.writing import Writing
from tests.plan.test_estimates import Pattern
from tests.worlds import configuration

PLACE = {"dataset": "shop", "protocol": "snapshot"}
MODEL = PLACE | {"language_model": "embedded", "side": "user"}
CELL = PLACE | {"backbone": "biasmf", "representation": "id", "seed": "1"}
USUAL = {
    "mem_mb": Resource("mem_mb", lambda wildcards, attempt: 4000 * attempt),
    "runtime": Resource("runtime", lambda wildcards, attempt: 240 * attempt),
}


def rule(name):
    benchmark = Pattern("logs/{dataset}/{protocol}/{backbone}/{representation}/{seed}/train.tsv")
    return SimpleNamespace(name=name, benchmark=benchmark if name == "train" else None, params={"script": name})


def requests(**settings):
    config = configuration(language_models=settings)
    return Requests(rule, Cells(config), Writing(config), USUAL)


def megabytes(rule, place, files=(), attempt=1, **settings):
    return requests(**settings).megabytes(Wildcards(fromdict=place), files, attempt, rule)


@pytest.fixture
def large(tmp_path):
    """A folder with weights of 2 GB, of which nothing is on the disk."""
    with open(tmp_path / "model.safetensors", "wb") as stream:
        stream.truncate(2 * 10**9)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    return tmp_path


@pytest.fixture
def split(tmp_path, monkeypatch):
    """A working folder with 100 MB of events and the record of an earlier seed: 3 GB, 30 minutes."""
    monkeypatch.chdir(tmp_path)
    with open("events.bin", "wb") as stream:
        stream.truncate(10**8)
    record = Path("logs/shop/snapshot/biasmf/id/0/train.tsv")
    record.parent.mkdir(parents=True)
    record.write_text("s\th:m:s\tmax_rss\n1800.0\t0:30:00\t3000.0\n")
    return ["events.bin"]


def test_what_is_not_there_yet_asks_for_what_the_profile_says():
    assert [megabytes("train", CELL, attempt=n) for n in (1, 2)] == [4000, 8000]
    assert requests().minutes(Wildcards(fromdict=CELL), (), 2, "train") == 480


def test_a_job_asks_by_what_it_reads_and_more_where_an_earlier_seed_used_more(split):
    assert megabytes("trial", CELL | {"trial": "0"}, split) == 2000 + 10 * 100
    assert [megabytes("train", CELL, split, attempt=n) for n in (1, 2)] == [4500, 9000], "half more than was used"
    assert megabytes("train", CELL | {"backbone": "lightgcn"}, split) == 3000, "another backbone says nothing"
    assert requests().minutes(Wildcards(fromdict=CELL), (), 1, "train") == 240
    assert requests().minutes(Wildcards(fromdict=CELL), split, 3, "train") == 720, "no law without a vocabulary"


def test_a_file_that_is_cut_off_stops_no_plan(split):
    Path("vocabulary.parquet").write_text("PAR1, and nothing else")
    assert requests().minutes(Wildcards(fromdict=CELL), ["vocabulary.parquet"], 1, "train") == 240


def test_a_large_model_asks_by_its_weights_and_its_batch(large, monkeypatch):
    monkeypatch.setattr("ptebench.plan.writing.weights", lambda *_: "digest")

    def asked(rule, attempt=1, **settings):
        return megabytes(rule, MODEL, attempt=attempt, model=str(large), **settings)

    small, big = (asked("write_profiles", write_batch=batch) for batch in (32, 256))
    assert 3500 < small < big and asked("write_profiles", attempt=2, write_batch=256) == 2 * big
    assert asked("tune_round") > 4 * 2000, "several times the weights"


def test_every_rule_with_a_law_of_its_own_is_a_rule_or_a_script():
    root = Path(__file__).parents[2]
    text = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    assert set(resources.TOKENS) <= set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.M))
    scripts = {path.stem for path in (root / "workflow_scripts").glob("*.py")}
    assert {*resources.BASES, *resources.CELLS, *resources.QUICK, *resources.GROWTHS} <= scripts
