"""What the evidence of a large table costs: every pair of rows compared, from files of ranks.

    POLARS_MAX_THREADS=2 OMP_NUM_THREADS=2 PYTHONPATH=. .venv/bin/python benchmarks/significance.py

Ranks of rows that are a noise apart are written first, untimed.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from measure import machine, save

from ptebench.files import GROUPS, RANKS, write_table
from ptebench.report.significance import collect_evidence


def write(folder: Path, rows: int, events: int) -> list[Path]:
    """Write a file of ranks for each row."""
    random, files = np.random.default_rng(0), []
    base = random.normal(4, 2, events)
    columns = {"event": range(events), "user": range(events), "ranking": "full", "target": 1, "targets": 1}
    frame = pl.DataFrame(columns | {"candidates": 100_000, "rank": 0.0}, schema_overrides=RANKS)
    for row in range(rows):
        ranks = np.exp(base + random.normal(-row / 1000, 0.5, events)).round().clip(1, 100_000)
        files.append(folder / f"{row}.parquet")
        write_table(frame.with_columns(rank=ranks), files[-1], RANKS)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--metrics", nargs="+", default=["NDCG@10"])
    options = parser.parse_args()
    result = {"machine": machine(int(os.environ.get("OMP_NUM_THREADS", 1))), "settings": vars(options)}
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), options.rows, options.events)
        groups = Path(name) / "groups.parquet"
        write_table(pl.DataFrame(schema=GROUPS), groups, GROUPS)
        spec = {
            "cells": [["d", "p", f"row{row}", "id", [0]] for row in range(options.rows)], "compare": "each",
            "metrics": options.metrics, "rankings": ["full"], "groups": ["overall"], "ids": ["id"],
        }  # fmt: skip
        before, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        start = time.perf_counter()
        panel = collect_evidence(spec, {"ranks": files, "groups": [groups]})["d", "p", "full", "overall"]
    result |= {
        "wall_seconds": round(time.perf_counter() - start, 1), "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "peak_memory_mib_of_writing": round(before / 1024), "comparisons": len(panel.pairs) * len(options.metrics),
        "smallest_p_possible": panel.resolution,
        "significant": int((panel.p_holm <= 0.05).sum()),
    }  # fmt: skip
    save("significance", result)


if __name__ == "__main__":
    main()
