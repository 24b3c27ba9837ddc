"""The round trip of docs/guide/exchange.md: export, train SASRec of RecBole and of RecTools, import, one table.

    PYTHONPATH=. .venv/bin/python benchmarks/exchange.py

RecBole and RecTools have environments of their own below results/benchmarks/envs (benchmarks/envs/). The data is the
demo's shop, whose purchases are simulated, so anybody can repeat it. All three SASRec have one width, number of blocks
and heads, dropout, length, rate and full softmax; each stops by its own validation. Beside what the table here says of
RecBole's lists stands what RecBole's own evaluator says of the test events.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import yaml
from measure import machine, save
from peers import HERE, environment

ROOT = HERE.parent
PLACE = ("shop", "leave_one_out")
NAMES = ("backbone", "other_backbone")


def configuration(options) -> dict:
    """Return the configuration of the table."""
    ours = {
        "dimension": options.width, "blocks": options.blocks, "heads": options.heads, "dropout": options.dropout,
        "max_length": 50, "batch_size": 128, "learning_rate": options.learning_rate, "epochs": options.epochs,
        "patience": options.patience, "device": "cpu",
    }  # fmt: skip
    theirs = {name: {"kind": "external", "file": f"{name}.tsv", "k": options.k} for name in ("recbole", "rectools")}
    return {
        "seeds": [options.seed], "lists": 10, "data_root": str(options.scratch.resolve()),
        "datasets": {"shop": {"source": "simulated", "layout": "amazon", "users": options.users, "items": 200}},
        "protocols": {"leave_one_out": {"remove_seen": False}},
        "backbones": {"popularity": {}, "markov": {}, "sasrec": ours, **theirs}, "representations": {"id": {}},
        "tables": {"exchange": {
            "title": "SASRec of three libraries, each by its own code", "datasets": ["shop"],
            "protocols": ["leave_one_out"], "compare": "each", "metrics": ["NDCG@10", "HR@10", "NDCG@20"],
            "rows": [{"backbones": ["popularity", "markov", "sasrec", *theirs]}],
        }},
    }  # fmt: skip


def workflow(folder: Path, target: str) -> None:
    """Run the workflow in a folder that has a config.yaml."""
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--cores", "1", target]
    subprocess.run(command, cwd=folder, check=True, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"})


def train(library: str, python: Path, settings: dict, scratch: Path) -> dict:
    """Let a peer train on the export and write its lists; return what it says of it."""
    file = scratch / f"{library}.json"
    file.write_text(json.dumps({**settings, "lists": str(scratch / f"{library}.tsv")}))
    worker = HERE / "workers" / f"lists_of_{library}.py"
    variables = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"]), "PYTHONPATH": ""}
    with open(scratch / f"{library}.log", "w") as log:
        done = subprocess.run([python, worker, file], stdout=subprocess.PIPE, stderr=log, text=True, env=variables)
    if done.returncode:
        raise SystemExit(f"{library} ended: see {scratch / library}.log")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--learning-rate", type=float, default=0.003)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--k", type=int, default=20, help="length of the lists")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks/exchange"))
    options = parser.parse_args()
    load, scratch = machine(options.threads), options.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "config.yaml").write_text(yaml.safe_dump(configuration(options), sort_keys=False))
    workflow(scratch, "exports")
    export = scratch / "results" / "exports" / PLACE[0] / PLACE[1]
    names = ("width", "blocks", "heads", "dropout", "learning_rate", "epochs", "patience", "k", "threads", "seed")
    settings = {name: getattr(options, name) for name in names} | {"export": str(export), "scratch": str(scratch)}
    peers = {
        name: train(name, environment(name, scratch.parent / "envs"), settings, scratch)
        for name in ("recbole", "rectools")
    }
    workflow(scratch, "tables")
    tables = scratch / "results" / "tables"
    table, pairs = pl.read_csv(tables / "exchange.csv"), pl.read_csv(tables / "exchange.comparisons.csv")
    sasrec = pl.all_horizontal(pl.col(*NAMES).is_in(["sasrec", *peers]))
    at = (pl.col("metric") == "NDCG") & (pl.col("k") == 10)
    result = {
        "benchmark": "a round trip: export, SASRec of RecBole and RecTools, import, one table", "machine": load,
        "settings": {**{name: getattr(options, name) for name in names}, "users": options.users},
        "peers": peers, "events": int(table["events"][0]),
        "rows": table.select("backbone", "metric", "k", "mean", "low", "high").to_dicts(),
        "pairs": pairs.filter(sasrec & at).select(*NAMES, "difference", "low", "high", "p_holm").to_dicts(),
    }  # fmt: skip
    save("exchange", result)


if __name__ == "__main__":
    main()
