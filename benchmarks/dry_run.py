"""Planning: wall seconds of `snakemake --dry-run` on a generated grid of 10,000 cells.

    PYTHONPATH=. .venv/bin/python benchmarks/dry_run.py

10 datasets x 2 protocols x 10 backbones x 10 representations x 5 seeds, each cell trained, ranked and measured, with
everything before it (raw files, splits, profiles of two language models, embeddings) and all tables: nothing exists
yet, so that every job is planned. A folder of its own holds the run; the repository's results are not looked at.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from measure import machine, save, spread

REPOSITORY = Path(__file__).resolve().parent.parent


def grid(datasets: int, backbones: int, representations: int, seeds: int) -> dict:
    """Return a configuration; backbones vary a hyperparameter, representations encoder and text."""
    kinds = ("sasrec", "biasmf", "lightgcn")
    names = [f"shop{n}" for n in range(datasets)]
    trained = {f"{kinds[n % 3]}-{n}": {"kind": kinds[n % 3], "dimension": 8 * (n + 1)} for n in range(backbones)}
    texts = [{"kind": "whitenrec", "encoder": e} for e in ("minilm", "lsa")]
    texts += [{"kind": "pte", "text": t, "encoder": e} for t in ("card", "embedded.kd", "embedded.sft", "embedded.grpo")
              for e in ("minilm", "lsa")]  # fmt: skip
    chosen = {f"text-{n}": texts[n % len(texts)] for n in range(representations - 1)}
    protocols = {"leave_one_out": {"remove_seen": True}, "snapshot": {"cut": "2024-01-16"}}
    return {
        "seeds": list(range(seeds)),
        "datasets": {name: {"source": "simulated", "layout": "amazon", "seed": n} for n, name in enumerate(names)},
        "protocols": protocols,
        "language_models": {"embedded": None},
        "encoders": {"minilm": None, "lsa": None},
        "backbones": trained,
        "representations": {"id": None, **chosen},
        "tables": {
            "grid": {
                "title": "All cells", "datasets": names, "protocols": list(protocols),
                "rows": [{"backbones": list(trained), "representations": ["id", *chosen]}],
                "metrics": ["Recall@10", "NDCG@10"],
            }
        },
    }  # fmt: skip


def plan(configuration: Path, folder: Path, *options: str) -> tuple[str, float, float]:
    """Return the output, the wall and the CPU seconds of a dry run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", folder,
         "--configfile", configuration, "--cores", "2", "--dry-run", *options],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout + done.stderr, wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=10)
    parser.add_argument("--backbones", type=int, default=10)
    parser.add_argument("--representations", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--name", default="dry_run", help="of the result file")
    options = parser.parse_args()
    load = machine(1)
    sizes = (options.datasets, options.backbones, options.representations, options.seeds)
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "grid.yaml"
        configuration.write_text(yaml.safe_dump(grid(*sizes), sort_keys=False))
        counts = plan(configuration, Path(folder), "--quiet", "rules")[0]
        jobs = {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", counts, re.MULTILINE)}
        runs = [plan(configuration, Path(folder), "--quiet")[1:] for _ in range(options.runs)]
    result = {
        "benchmark": "snakemake --dry-run --quiet, seconds", "machine": load,
        "cells": 2 * sizes[0] * sizes[1] * sizes[2] * sizes[3], "jobs": jobs,
        "seconds": spread(wall for wall, _ in runs), "cpu_seconds": spread(cpu for _, cpu in runs), "target": 60.0,
    }  # fmt: skip
    if jobs.get("train") != result["cells"]:
        raise SystemExit(f"the plan trains {jobs.get('train')} cells, expected {result['cells']}")
    save(options.name, result)


if __name__ == "__main__":
    main()
