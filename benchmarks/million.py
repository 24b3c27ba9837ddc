"""The stages of data and ranking at a million users, by the workflow itself; what each job used is its own record.

Interactions are drawn: users and items by Zipf's law, five of each user and more of some. The model is BiasMF after one
epoch: it ranks as every backbone does, by products of vectors with all items.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import yaml
from measure import machine, save
from scale import DAY, FIRST, draw, shares

CHECKOUT = Path(__file__).resolve().parents[1]
EACH = 5  # events that every user has


def write(path: Path, users: int, items: int, events: int, seed: int) -> None:
    """Write interactions of `users`, `events` in all, in the order of time."""
    rng = np.random.default_rng(seed)
    user = np.concatenate(
        [np.repeat(np.arange(users), EACH), draw(shares(users, 0.5, rng), events - EACH * users, rng)]
    )
    item, day = draw(shares(items, 0.9, rng), events, rng), rng.integers(0, 3000, events)
    pl.DataFrame({"user": user, "item": item, "time": FIRST + day * DAY}).sort("time").write_parquet(path)


def configuration(path: Path) -> dict:
    """Return the configuration of the run."""
    columns = {"user_id": "user", "item_id": "item", "timestamp": "time"}
    cells = {"datasets": ["million"], "protocols": ["leave_one_out"], "metrics": ["NDCG@10"]}
    return {
        "seeds": [0],
        "datasets": {"million": {"source": "table", "interactions": str(path.resolve()), "columns": columns}},
        "protocols": {"leave_one_out": None},
        "backbones": {"biasmf": {"dimension": 32, "epochs": 1, "batch_size": 8192, "device": "cpu"}},
        "representations": {"id": None},
        "tables": {
            "million": cells
            | {"title": "A million users", "rows": [{"backbones": ["biasmf"], "representations": ["id"]}]}
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=8_000_000)
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks/million"))
    parser.add_argument("--name", default="million")
    options = parser.parse_args()
    folder = options.scratch.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine(1), "users": options.users, "items": options.items, "events": options.events}
    write(folder / "interactions.parquet", options.users, options.items, options.events, 0)
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(folder / "interactions.parquet")))
    command = [sys.executable, "-m", "snakemake", "-s", CHECKOUT / "Snakefile", "--cores", "1", "cells"]
    subprocess.run([str(word) for word in command], cwd=folder, check=True)
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("results/**/*provenance.json"))]
    keys = ("wall_seconds", "cpu_seconds", "peak_memory_mib")
    result["jobs"] = {job["script"]: {key: job[key] for key in keys} for job in records}
    save(options.name, result)


if __name__ == "__main__":
    main()
