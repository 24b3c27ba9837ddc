"""Patterns that take some names alone."""

import re

from snakemake.io import regex_from_filepattern

from ptebench.plan.paths import only
from ptebench.plan.raw import Raw
from tests.worlds import configuration


def test_a_pattern_takes_the_names_that_it_is_given_and_no_other():
    pattern = re.compile(regex_from_filepattern(only("data/{dataset}/{side}.csv", dataset=["news", "shop"])))
    assert [bool(pattern.fullmatch(f"data/{name}/user.csv")) for name in ("news", "shop", "newsshop", "x")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_pattern_that_is_given_no_name_matches_none():
    pattern = re.compile(regex_from_filepattern(only("data/{dataset}/x.csv", dataset=[])))
    assert not pattern.fullmatch("data/news/x.csv") and not pattern.fullmatch("data//x.csv")


def test_a_layout_is_simulated_for_its_own_datasets_alone():
    truth = re.compile(regex_from_filepattern(Raw(configuration()).simulation("mind")["truth"]))
    datasets = configuration()["datasets"]
    assert {name for name in datasets if truth.fullmatch(f"results/data/{name}/raw/mind.truth.npz")} == {
        name for name, settings in datasets.items() if settings.get("layout") == "mind"
    }
