"""How many GPUs a job asks for."""

import re
from pathlib import Path

from snakemake.iocontainers import Wildcards

from ptebench.plan.cells import Cells
from ptebench.plan.gpus import Gpus
from ptebench.plan.texts import Texts
from ptebench.plan.writing import Writing
from tests.worlds import configuration

PLACE = {"dataset": "news", "protocol": "snapshot", "backbone": "biasmf", "representation": "pte", "seed": "1"}


def count(rule, present=True, device="cuda"):
    config = configuration(overrides={"news": {"biasmf": {"device": device}}})
    return Gpus(Cells(config), Texts(config), Writing(config), lambda: present).count(Wildcards(fromdict=PLACE), rule)


def test_a_training_asks_for_a_gpu_where_its_settings_and_the_machine_have_one():
    assert [count("train"), count("train", device="cpu"), count("train", present=False)] == [1, 0, 0]


def test_cells_are_counted_apart_so_that_a_submission_trains_a_few_at_once():
    config = configuration(overrides={"news": {"biasmf": {"device": "cuda"}}})
    gpus = Gpus(Cells(config), Texts(config), Writing(config), lambda: True)
    assert gpus.cells(Wildcards(fromdict=PLACE), "rank") == 1
    assert gpus.cells(Wildcards(fromdict=PLACE | {"language_model": "embedded"}), "grpo") is None


def test_a_rule_that_never_uses_a_gpu_asks_for_none():
    assert count("metrics") is None


def test_every_rule_that_can_use_a_gpu_is_a_rule():
    config = configuration()
    names = Gpus(Cells(config), Texts(config), Writing(config), lambda: True).counters
    text = "".join(path.read_text() for path in (Path(__file__).parents[2] / "rules").glob("*.smk"))
    assert set(names) <= set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, re.M))
