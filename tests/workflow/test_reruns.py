"""The promise of the workflow: a change rebuilds exactly what is stale.

A finished run of reruns.yaml is copied, one change is applied, and a dry run says what would be done.
A row: name, edits, jobs planned by rule. An edit is (file, old text, new text); None for both touches the file.
"""

import os

import pytest

from tests.workflow.conftest import planned

LIBRARY = "ptebench"
RECOMMENDERS = f"{LIBRARY}/recommenders"
CONFIG = "config.yaml"


def cells(count, backbones, tables=1):
    return {"train": count, "rank": count, "metrics": backbones, "table": tables}


SASREC, BIASMF, LIGHTGCN = cells(8, 1), cells(8, 1), cells(8, 1)
PAIRWISE = cells(16, 2)
EVALUATION = {"metrics": 7, "table": 2}
# the profiles that a language model writes, and what reads them: pte and its control with three backbones, two seeds
ROUNDS = {"tune_round": 12, "probe_round": 6, "choose_round": 2}
WRITTEN = {"grpo": 4, "write_profiles": 4, "embed": 4, **cells(12, 3, 2)}

ROWS = [
    ("nothing", [], {}),
    ("a script touched", [("workflow_scripts/train.py", None, None)], {}),
    ("an input touched", [("results/data/shop/interactions.parquet", None, None)], {}),
    ("a comment", [(f"{RECOMMENDERS}/training.py", "class Diverged", "# why\nclass Diverged")], {}),
    ("a docstring", [(f"{RECOMMENDERS}/losses/bpr.py", '"""Return the mean', '"""Give the mean')], {}),
    ("a comment and key order in the configuration", [(CONFIG, "dimension: 32, batch_size: 64", "batch_size: 64, dimension: 32"), (CONFIG, "seeds:", "# seeds\nseeds:")], {}),
    ("threads and memory", [("rules/recommenders.smk", '    params:\n        **job("train"', '    threads: 2\n    params:\n        **job("train"'), ("profiles/default/config.yaml", "4000 * attempt", "8000 * attempt")], {}),
    ("the loss of sasrec", [(f"{RECOMMENDERS}/losses/cross_entropy.py", "CHUNK = 256", "CHUNK = 128")], SASREC),
    ("a loss that no cell uses", [(f"{RECOMMENDERS}/losses/bce.py", "torch.randint(1, n", "torch.randint(1, n - 1")], {}),
    ("the loss of two backbones", [(f"{RECOMMENDERS}/losses/bpr.py", "softplus(negative - positive)", "softplus(negative - positive - 0.0)")], PAIRWISE),
    ("one backbone", [(f"{RECOMMENDERS}/graph.py", "total += layer", "total += 1.0 * layer")], LIGHTGCN),
    ("one representation", [(f"{RECOMMENDERS}/representations/whitenrec.py", "dimension**-0.5", "dimension**-0.4")], cells(6, 3, 2)),
    ("one hyperparameter", [(CONFIG, "learning_rate: 0.003, device: cpu}\n  lightgcn", "learning_rate: 0.002, device: cpu}\n  lightgcn")], BIASMF),
    ("one dataset's hyperparameter", [(CONFIG, "tables:\n", "overrides: {news: {biasmf: {epochs: 50}}}\n\ntables:\n")], BIASMF),
    ("a hyperparameter of one representation", [(CONFIG, "tables:\n", "overrides: {news: {biasmf.pte: {epochs: 50}}}\n\ntables:\n")], cells(2, 1)),
    ("tuning of one backbone", [(CONFIG, "tables:\n", "tuning: {budget: 3, backbones: {biasmf: {learning_rate: [0.001, 0.01]}}}\n\ntables:\n")], {"trial": 12, "choose_trial": 4, **BIASMF}),
    ("halving of one backbone", [(CONFIG, "tables:\n", "tuning: {budget: 4, halving: {factor: 2}, backbones: {biasmf: {learning_rate: [0.001, 0.01]}}}\n\ntables:\n")], {"rung": 28, "choose_trial": 4, **BIASMF}),
    ("a new seed", [(CONFIG, "seeds: [0, 1]", "seeds: [0, 1, 2]")], cells(12, 3, 2)),
    ("a seed less", [(CONFIG, "seeds: [0, 1]", "seeds: [0]")], {"metrics": 3, "table": 2}),
    ("a new K", [(CONFIG, "ks: [1, 5, 10, 20]", "ks: [1, 5, 10, 20, 50]")], EVALUATION),
    ("lists", [(CONFIG, "ks: [1", "lists: 10\nks: [1")], {"recommend": 28, **EVALUATION}),
    ("the code of the metrics", [(f"{LIBRARY}/report/metrics.py", "import polars as pl", "import polars as pl\n\nX = 1")], EVALUATION),
    ("what a table compares", [(CONFIG, "    rankings: [full, zero_shot]", "    rankings: [full, zero_shot]\n    compare: id")], {"table": 1}),
    ("the code of the tests", [(f"{LIBRARY}/report/significance.py", "LEVEL = 0.05", "LEVEL = 0.01")], {"table": 2}),
    ("a table's title", [(CONFIG, "Users never seen in training", "Users never seen before")], {"table": 1}),
    ("the prompt", [(f"{LIBRARY}/profiles/evidence/prompts.py", "from ptebench.files", "X = 1\nfrom ptebench.files")], {"language_model": 2, "instructions": 2, **ROUNDS, **WRITTEN}),
    ("one more round", [(CONFIG, "max_rounds: 2", "max_rounds: 3")], {"tune_round": 4, "probe_round": 2, "choose_round": 2, **WRITTEN}),
    ("a control of the loop", [(CONFIG, "max_rounds: 2", "max_rounds: 2\n    loop: static")], {**ROUNDS, **WRITTEN}),
    ("dialogues among the instructions", [(CONFIG, "max_rounds: 2", "max_rounds: 2\n    collaborative: 0.25")], {"instructions": 2, **ROUNDS, **WRITTEN}),
    ("a setting of GRPO", [(CONFIG, "temperature: 0.9", "temperature: 0.8")], WRITTEN),
    ("how profiles are measured", [(f"{LIBRARY}/profiles/measures/quality.py", "SAMPLE = 256", "SAMPLE = 128")], {}),
    ("the writing of a side in shards", [(CONFIG, "    max_rounds: 2", "    max_rounds: 2\n    shards: 2")], {"write_shard": 12, "write_profiles": 4, "embed": 4, **cells(12, 3, 2)}),
    ("the ranking of test events", [("workflow_scripts/rank.py", "frames = []", "frames = list()")], {"rank": 28, **EVALUATION}),
    ("a raw file", [("results/data/shop/raw/Simulated_5.json.gz", "", "changed")], None),
    ("a new dataset", [(CONFIG, "datasets: [shop]", "datasets: [shop, shop2]"), (CONFIG, "protocols:\n  cold", "  shop2:\n    source: simulated\n    layout: amazon\n    seed: 9\n\nprotocols:\n  cold")], None),
]  # fmt: skip


@pytest.mark.parametrize("name, edits, expected", ROWS, ids=[row[0] for row in ROWS])
def test_rerun(checkout, name, edits, expected):
    for path, old, new in edits:
        file = checkout / path
        if old is None:
            os.utime(file)
            continue
        text = file.read_text()
        assert old in text, f"{path}: {old!r} is gone; mend the row"
        file.write_text(text.replace(old, new, 1))
    jobs = planned(checkout)
    if expected is None:
        # one dataset's whole chain, the other dataset untouched
        assert jobs["interactions"] == jobs["split"] == 1 and jobs["train"] == 11 and jobs["write_profiles"] == 2
        assert jobs["table"] == 1 and jobs.get("simulate_amazon", 0) == ("dataset" in name)
    else:
        assert jobs == expected


def test_fresh_clone_with_results_rebuilds_nothing(checkout):
    for path in checkout.rglob("*"):  # a clone gives every file the time of the clone
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    assert planned(checkout) == {}


def test_selection_on_the_command_line(checkout):
    (checkout / CONFIG).write_text((checkout / CONFIG).read_text().replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    assert planned(checkout, "cells", "--config", "datasets=[shop]", "seeds=[2]") == {
        "train": 7, "rank": 7, "metrics": 4, "cells": 1,
    }  # fmt: skip
