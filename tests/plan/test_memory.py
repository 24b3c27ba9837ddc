"""How much memory a job asks for."""

import re
from pathlib import Path

import pytest
from snakemake.iocontainers import Wildcards
from snakemake.resources import Resource

from ptebench.plan.memory import Memory
from ptebench.plan.writing import Writing
from tests.worlds import configuration

PLACE = Wildcards(fromdict={"dataset": "shop", "protocol": "snapshot", "language_model": "embedded", "side": "user"})
USUAL = Resource("mem_mb", lambda wildcards, attempt: 4000 * attempt)


def asked(rule, folder=None, attempt=1, **settings):
    if folder:
        settings["model"] = str(folder)
    return Memory(Writing(configuration(language_models=settings)), USUAL).megabytes(PLACE, attempt, rule)


@pytest.fixture
def large(tmp_path):
    """A folder with weights of 2 GB, of which nothing is on the disk."""
    with open(tmp_path / "model.safetensors", "wb") as stream:
        stream.truncate(2 * 10**9)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    return tmp_path


@pytest.mark.parametrize("rule", ["train", "tune_round", "write_profiles"])
def test_a_small_model_and_other_rules_ask_for_the_usual(rule):
    assert [asked(rule, attempt=n) for n in (1, 2)] == [4000, 8000]


def test_a_large_model_asks_by_its_weights_and_its_batch(large, monkeypatch):
    monkeypatch.setattr("ptebench.plan.writing.weights", lambda *_: "digest")
    small, big = (asked("write_profiles", large, write_batch=batch) for batch in (32, 256))
    assert 3500 < small < big and asked("write_profiles", large, attempt=2, write_batch=256) == pytest.approx(
        2 * big, 1
    )
    assert asked("tune_round", large) > 4 * 2000, "several times the weights"


def test_every_rule_with_a_model_is_a_rule():
    names = Memory(Writing(configuration()), USUAL).tokens
    text = "".join(path.read_text() for path in (Path(__file__).parents[2] / "rules").glob("*.smk"))
    assert set(names) <= set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.M))
