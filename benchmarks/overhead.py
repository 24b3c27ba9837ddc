"""Per-cell overhead: seconds from the start of `python -m workflow_scripts.train` to its first batch and to its exit.

    PYTHONPATH=. .venv/bin/python benchmarks/overhead.py

The split is a tiny random one that the script writes, so that what is left is the interpreter, the imports, reading,
building and writing. Import times of the main packages are taken from `python -X importtime`, in the same process.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from measure import machine, save, spread

from ptebench.config.read import resolve
from ptebench.files import CANDIDATES, EVENTS, TRAIN, VOCABULARY, write_table

REPOSITORY = Path(__file__).resolve().parent.parent
USERS, ITEMS = 50, 40
PACKAGES = ("torch", "numpy", "scipy", "polars", "safetensors", "pandas", "pyarrow", "sklearn", "transformers",
            "pydantic", "ptebench.files", "ptebench.job", "ptebench.provenance",
            "ptebench.recommenders.split", "ptebench.recommenders.training")  # fmt: skip
# what `train` runs, with a clock at its first batch; the job itself is not changed
PROBE = """
import runpy, sys, time
started = float(sys.argv.pop(1))
import ptebench.recommenders.backbones.{kind} as module
batches = module.Backbone.batches
def first(*arguments):
    for number, batch in enumerate(batches(*arguments)):
        if not number and not hasattr(module, "told"):
            module.told = True
            print("FIRST_BATCH", time.time() - started, time.process_time(), flush=True)
        yield batch
module.Backbone.batches = first
runpy.run_module("workflow_scripts.train", run_name="__main__", alter_sys=True)
"""


def write_split(folder: Path) -> None:
    """Write a random leave-one-out split of USERS x ITEMS."""
    random = np.random.default_rng(0)
    histories = [random.permutation(ITEMS)[:8] + 1 for _ in range(USERS)]
    users = np.arange(1, USERS + 1)
    raw = [f"{side}{n:04d}" for side, count in (("user", USERS), ("item", ITEMS)) for n in range(1, count + 1)]
    vocabulary = {"side": [r[:4] for r in raw], "id": [int(r[4:]) for r in raw], "raw": raw}
    events = {
        "event": np.arange(USERS), "ranking": ["full"] * USERS, "user": users,
        "history": [h[:-1] for h in histories], "targets": [h[-1:] for h in histories],
    }  # fmt: skip
    train = {"user": users, "history": [h[:-1] for h in histories]}
    for name, data, contract in (
        ("vocabulary", vocabulary, VOCABULARY), ("train", train, TRAIN), ("valid", events, EVENTS),
        ("candidates", {"ranking": [], "item": []}, CANDIDATES),
    ):  # fmt: skip
        write_table(pl.DataFrame(data, schema=contract, strict=False), folder / f"{name}.parquet", contract)


def command(folder: Path, kind: str) -> list[str]:
    """Return the arguments of one training job of one epoch."""
    backbone = {"kind": kind, "dimension": 8, "epochs": 1, "device": "cpu"}
    settings = resolve({"backbones": {"cell": backbone}}, "overhead.py")["backbones"]["cell"]
    spec = {"backbone": settings, "representation": {"kind": "id"}, "remove_seen": True, "seed": 0}
    inputs = [
        x for n in ("train", "valid", "candidates", "vocabulary") for x in ("--input", n, folder / f"{n}.parquet")
    ]
    outputs = ["--output", "model", folder / "model.safetensors", "--output", "curve", folder / "training.csv"]
    return ["--spec", json.dumps(spec), "--code", "0", "--threads", "1", *map(str, inputs), *map(str, outputs)]


def run(arguments: list) -> subprocess.CompletedProcess:
    """Run Python as a rule does, in the repository, with one thread."""
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=variables, cwd=REPOSITORY, capture_output=True, text=True)


def once(job: list[str], kind: str) -> dict:
    """Return wall and CPU seconds to the first batch and to the exit, of a job of its own."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.time()
    done = run(["-c", PROBE.format(kind=kind), str(started), *job])
    seconds = time.time() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    first, cpu_first = (float(x) for x in re.search(r"FIRST_BATCH (\S+) (\S+)", done.stdout).groups())
    return {"to_first_batch": first, "cpu_to_first_batch": cpu_first, "to_exit": seconds, "cpu_to_exit": cpu}


def imports(job: list[str]) -> dict:
    """Return cumulative import seconds of PACKAGES, those that a training job imports at all."""
    text = run(["-X", "importtime", "-m", "workflow_scripts.train", *job]).stderr
    rows = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \|\s+(\S+)$", text, re.MULTILINE)
    seconds = {name: round(int(micro) / 1e6, 3) for micro, name in rows}
    return {name: seconds[name] for name in PACKAGES if name in seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="sasrec", choices=["sasrec", "biasmf", "lightgcn"])
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    load = machine(1)
    with tempfile.TemporaryDirectory() as folder:
        write_split(Path(folder))
        job = command(Path(folder), options.backbone)
        once(job, options.backbone)  # fills the file cache and writes bytecode
        runs = [once(job, options.backbone) for _ in range(options.runs)]
        seconds = imports(job)
    result = {
        "benchmark": "per-cell overhead, seconds", "machine": load, "backbone": options.backbone,
        **{name: spread(r[name] for r in runs) for name in runs[0]},
        "target_to_first_batch": 4.0, "import_seconds": seconds,
    }  # fmt: skip
    save("overhead", result)


if __name__ == "__main__":
    main()
