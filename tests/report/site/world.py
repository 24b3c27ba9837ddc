"""A small results/ with everything that the report shows: made up ranks, real metrics, tables and records."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl

from ptebench.files import (
    EVENTS, GROUPS, ITEMS, PROFILES, RANKS, TRAIN, VOCABULARY, write_json, write_table,
)  # fmt: skip
from ptebench.job import Job
from ptebench.provenance import environment, file_digest
from ptebench.report.statistics import STATISTICS
from workflow_scripts import metrics, table

EVENT_NUMBER = 60
ENVIRONMENT = environment()
CLAIMS = [{"metric": "NDCG@10", "ranking": "full", "group": "overall", "row": "sasrec.pte", "above": "sasrec.pte_shuffled",
           "because": "profiles say something"}]  # fmt: skip
USERS, ITEM_NUMBER = 80, 40
SETTINGS = {
    "command": "snakemake --cores all", "counters": ["popularity"],
    "defaults": {"backbone": {"sasrec": {"dimension": 64}}, "representation": {"pte": {"text": "card", "control": None}}},
}  # fmt: skip
KINDS = {
    "id": {"kind": "id"}, "pte": {"kind": "pte", "text": "small.grpo", "control": {"item": None}},
    "pte_shuffled": {"kind": "pte", "text": "small.grpo", "control": {"item": "shuffled"}},
}  # fmt: skip


@contextmanager
def inside(folder):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def note(script, inputs, outputs, record, spec=None, **more):
    """Write the record of a job as ptebench.job does."""
    write_json({
        "outputs": {str(p): file_digest(Path(p)) for p in outputs}, "inputs": {str(p): file_digest(Path(p)) for p in inputs},
        "spec": spec or {}, "seed": 0, "script": script, "code": "0123456789ab", "environment": ENVIRONMENT,
        "threads": 1, "started": "2026-01-02T03:04:05Z", "wall_seconds": 1.5, "cpu_seconds": 1.0, "peak_memory_mib": 100.0,
        **more,
    }, record)  # fmt: skip


def job(main, spec, inputs, outputs):
    """Run the main of a workflow script, and write its record."""
    notes = main(Job(spec, {k: list(map(Path, v)) for k, v in inputs.items()}, {k: Path(v) for k, v in outputs.items()}, "0", 1))
    first = next(iter(outputs.values()))
    given = [p for paths in inputs.values() for p in paths]
    note(main.__module__.split(".")[1], given, outputs.values(), f"{first.rpartition('.')[0]}.provenance.json", spec,
         **(notes or {}))


def write(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def data(dataset, random):
    """Write raw file, interactions, items, statistics and distributions of a dataset."""
    folder = f"results/data/{dataset}"
    write(f"raw/{dataset}.csv", "user,item\n1,1\n")
    write(f"{folder}/interactions.parquet", "not read by the report")
    cards = [f"Title: thing {n}." for n in range(1, ITEM_NUMBER + 1)]
    items = pl.DataFrame({
        "item_id": [f"i{n}" for n in range(1, ITEM_NUMBER + 1)], "title": [f"<thing> {n}" for n in range(1, ITEM_NUMBER + 1)],
        "categories": [["a"]] * ITEM_NUMBER, "brand": ["b"] * ITEM_NUMBER, "description": [""] * ITEM_NUMBER, "card": cards,
    }, schema=ITEMS)  # fmt: skip
    write_table(items, f"{folder}/items.parquet", ITEMS)
    made = [f"{folder}/interactions.parquet", f"{folder}/items.parquet"]
    notes = {"users": USERS, "users_before_draw": 1600}
    note("interactions", [f"raw/{dataset}.csv"], made, f"{folder}/provenance.json", notes=notes)
    counts = pl.DataFrame([(dataset, "users", 80.0, 80.0, "equal", "them")], schema=STATISTICS | {"source": pl.String}, orient="row")
    write(f"{folder}/statistics.csv", counts.write_csv())
    write(f"results/tables/distributions/{dataset}.svg", "<?xml?>\n<svg viewBox='0 0 1 1'></svg>\n")
    made = [f"{folder}/statistics.csv", f"results/tables/distributions/{dataset}.svg"]
    note("describe", [f"{folder}/interactions.parquet"], made, f"{folder}/statistics.provenance.json")


def split(dataset, protocol):
    folder = f"results/splits/{dataset}/{protocol}"
    Path(folder).mkdir(parents=True)
    history = [[n % ITEM_NUMBER + 1, (n + 1) % ITEM_NUMBER + 1] for n in range(USERS)]
    train = pl.DataFrame({"user": range(1, USERS + 1), "history": history}, schema=TRAIN)
    events = pl.DataFrame({
        "event": range(EVENT_NUMBER), "ranking": ["full"] * EVENT_NUMBER, "user": range(1, EVENT_NUMBER + 1),
        "history": history[:EVENT_NUMBER], "targets": [[1]] * EVENT_NUMBER,
    }, schema=EVENTS)  # fmt: skip
    groups = pl.DataFrame({"event": range(EVENT_NUMBER), "group": ["user_tail", "user_head"] * (EVENT_NUMBER // 2)}, schema=GROUPS)
    both = [("user", n, f"u{n}") for n in range(1, USERS + 1)] + [("item", n, f"i{n}") for n in range(1, ITEM_NUMBER + 1)]
    tables = {"train": (train, TRAIN), "valid": (events, EVENTS), "test": (events, EVENTS), "histories": (train, TRAIN),
              "groups": (groups, GROUPS), "vocabulary": (pl.DataFrame(both, schema=VOCABULARY, orient="row"), VOCABULARY)}  # fmt: skip
    for name, (frame, contract) in tables.items():
        write_table(frame, f"{folder}/{name}.parquet", contract)
    finding = {"check": "pairs_in_train", "value": 0, "expected": 0, "verdict": "ok", "meaning": "pairs also in training"}
    write_json([finding], f"{folder}/leakage.json")
    made = [*(f"{folder}/{name}.parquet" for name in tables), f"{folder}/leakage.json"]
    note("split", [f"results/data/{dataset}/interactions.parquet"], made, f"{folder}/provenance.json")


def profiles(dataset, protocol):
    base = f"results/profiles/{dataset}/{protocol}"
    texts = pl.DataFrame([(n, f"Roles: reader {n}", '{"Roles": ["reader"]}', "0", None) for n in (1, 2, 3)], schema=PROFILES, orient="row")
    for writer in ("template", "small/grpo"):
        for side in ("user", "item"):
            Path(f"{base}/{writer}").mkdir(parents=True, exist_ok=True)
            write_table(texts, f"{base}/{writer}/{side}.parquet", PROFILES)
            note("write_profiles", [f"results/splits/{dataset}/{protocol}/train.parquet"], [f"{base}/{writer}/{side}.parquet"],
                 f"{base}/{writer}/{side}.provenance.json")  # fmt: skip
    write(f"{base}/small/grpo/user/rewards.csv", "step,reward,reward_std,kl,effective_rank,gradient,rank,rank_std\n1,0.1,0.1,0,2,9,0.1,0\n2,0.2,0.1,0,2,9,NaN,0\n")
    rounds = [{"round": n, "utility": 0.1 * n, "utility_of_cards": 0.1, "embedding_drift": {"mean": 0.1} if n else None, "field_drift": None,
               "effective_rank": {"user": 2.0, "item": 3.0}, "parse_rate": {"user": 1.0, "item": 1.0}} for n in range(3)]  # fmt: skip
    write(f"{base}/small/convergence.json", json.dumps({"best": 1, "rounds": rounds}))
    made = [f"{base}/small/convergence.json", f"{base}/small/grpo/user/rewards.csv"]
    note("choose_round", [], made, f"{base}/small/convergence.provenance.json")


def information(dataset, protocol):
    stem = f"results/information/mine/{dataset}/{protocol}"
    write(f"{stem}.csv", "measure,source,target,items,value,low,high,null,bound,count\nR2,cards,ids,all,0.5,0.4,0.6,,,120\n")
    write(f"{stem}.md", "# Title\n\n## Does it suffice?\n\n`ids` alone:\n\n- `ids` < cards: **no**.\n\n## Table\n\n| a |\n")
    write(f"{stem}.svg", "<?xml?>\n<svg viewBox='0 0 1 1'><metadata>http://example.org</metadata></svg>\n")
    made = [f"{stem}.{kind}" for kind in ("csv", "md", "svg")]
    note("information", [], made, f"{stem}.provenance.json")


def cell(random, dataset, protocol, backbone, representation, seed):
    folder = f"results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}"
    Path(folder).mkdir(parents=True)
    inputs = [f"results/splits/{dataset}/{protocol}/train.parquet"]
    if representation.startswith("pte"):
        inputs.append(f"results/profiles/{dataset}/{protocol}/small/grpo/item.parquet")
    write(f"{folder}/model.safetensors", f"{random.random()}")
    curve = "".join(f"{epoch},{5 / epoch},{0.01 * epoch},0.1\n" for epoch in range(1, 41))
    write(f"{folder}/training.csv", "epoch,loss,value,seconds\n" + ("" if backbone == "popularity" else curve))
    spec = {"backbone": {"kind": backbone.rstrip("0123456789"), "dimension": 32, "selection": "NDCG@10"}, "representation": KINDS[representation], "seed": seed}
    made = [f"{folder}/model.safetensors", f"{folder}/training.csv"]
    note("train", inputs, made, f"{folder}/provenance.json", spec, width=8, parameters=100, device="cpu")
    ranks = pl.DataFrame({
        "event": range(EVENT_NUMBER), "ranking": ["full"] * EVENT_NUMBER, "user": range(1, EVENT_NUMBER + 1),
        "target": [1] * EVENT_NUMBER, "rank": random.integers(1, ITEM_NUMBER, EVENT_NUMBER).astype(float),
        "targets": [1] * EVENT_NUMBER, "candidates": [ITEM_NUMBER] * EVENT_NUMBER,
    }, schema=RANKS)  # fmt: skip
    write_table(ranks, f"{folder}/ranks.parquet", RANKS)
    note("rank", [made[0]], [f"{folder}/ranks.parquet"], f"{folder}/ranks.provenance.json", spec)


def build(folder, published, datasets=("shop",), backbones=("popularity", "sasrec"), seeds=(0, 1), compare="best_other"):
    """Write results/ into a folder, a table for each dataset; return the tables' names."""
    random = np.random.default_rng(0)
    with inside(folder):
        for dataset in datasets:
            data(dataset, random)
            split(dataset, "cold")
            profiles(dataset, "cold")
            information(dataset, "cold")
            rows = []
            for backbone in backbones:
                names, own = (("id",), seeds[:1]) if backbone == "popularity" else (tuple(KINDS), seeds)
                rows += [[dataset, "cold", backbone, name, list(own)] for name in names]
            for *place, own in rows:
                for seed in own:
                    cell(random, *place, seed)
            tabulate(dataset, rows, published, compare)
    return list(datasets)


def tabulate(dataset, rows, published, compare):
    """Write the metrics of all backbones and the table of a dataset."""
    groups = f"results/splits/{dataset}/cold/groups.parquet"
    keys = ("dataset", "protocol", "backbone", "representation", "seed")
    for backbone in dict.fromkeys(row[2] for row in rows):
        cells = [dict(zip(keys, [*place, seed])) for *place, seeds in rows if place[2] == backbone for seed in seeds]
        folders = [f"results/cells/{dataset}/cold/{c['backbone']}/{c['representation']}/seed={c['seed']}" for c in cells]
        inputs = {"ranks": [f"{f}/ranks.parquet" for f in folders], "records": [f"{f}/provenance.json" for f in folders], "groups": [groups]}
        Path(f"results/metrics/{dataset}/cold").mkdir(parents=True, exist_ok=True)
        job(metrics.main, {"cells": [c | {"text": None} for c in cells], "ks": [1, 5, 10]}, inputs,
            {"metrics": f"results/metrics/{dataset}/cold/{backbone}.csv"})  # fmt: skip
    spec = {
        "table": dataset, "title": f"Table of {dataset}", "metrics": ["NDCG@10", "HR@5"], "rankings": ["full"],
        "groups": ["overall", "user_tail"], "compare": compare, "claims": CLAIMS if compare != "id" else [], "cells": rows, "trials": [0] * len(rows), "ids": ["id"], "published": {dataset: None},
        "protocols": {"cold": {"kind": "cold_start_user", "remove_seen": True}},
    }  # fmt: skip
    folders = [f"results/cells/{'/'.join(place)}/seed={seed}" for *place, seeds in rows for seed in seeds]
    inputs = {
        "metrics": [f"results/metrics/{dataset}/cold/{b}.csv" for b in dict.fromkeys(row[2] for row in rows)],
        "ranks": [f"{f}/ranks.parquet" for f in folders], "groups": [groups], "published": [published],
        "train": [groups.replace("groups", "train")], "data": [f"results/data/{dataset}/provenance.json"], "records": [f"{f}/provenance.json" for f in folders],
    }  # fmt: skip
    stem = f"results/tables/{dataset}"
    kinds = {kind: f"{stem}.{kind}" for kind in ("csv", "md", "tex", "html")}
    job(table.main, spec, inputs, kinds | {"comparisons": f"{stem}.comparisons.csv", "costs": f"{stem}.costs.csv"})
