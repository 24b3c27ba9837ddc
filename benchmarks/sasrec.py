"""SASRec: seconds per epoch against RecTools' and RecBole's, in one run, turn by turn, on the same data.

    PYTHONPATH=.:workflow_scripts .venv/bin/python benchmarks/sasrec.py results/splits/beauty/leave_one_out

The peers are installed into environments of their own below results/benchmarks/envs (benchmarks/envs/*.txt).
Every contestant is a process that waits for its turn; a turn is one epoch (of a peer with softmax, whose epochs take
many minutes: a number of batches, scaled to an epoch), and only one of them computes at a time. All have the same
width, length, blocks, heads, dropout, learning rate and threads, and the same training events. Afterwards each gives
the vectors of the test histories and of the items, and one evaluator, ours, ranks them: whole catalogue, seen items
removed.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from measure import machine, save, spread
from ptebench.files import EVENTS, read_table
from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.split import read_events, read_sizes, read_train
from ptebench.recommenders.training import validation_value

HERE = Path(__file__).parent
CONTESTANTS = ("ours-softmax", "ours-bce", "rectools-softmax", "rectools-bce", "recbole-softmax")
BATCH = {"recbole": 2048}  # its default; it counts positions, the others users


def environment(name: str, folder: Path) -> Path:
    """Return the interpreter of a peer's environment, made on the first call."""
    python, pins = folder / name / "bin" / "python", HERE / "envs" / f"{name}.txt"
    ready = folder / name / "ready"
    if not (ready.is_file() and ready.read_text() == pins.read_text()):
        torch_pin = next(line for line in pins.read_text().split() if line.startswith("torch=="))
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / name], check=True)
        for wanted in ([torch_pin], ["--no-deps", "-r", pins]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        ready.write_text(pins.read_text())
    return python


def write_data(split: Path, folder: Path, length: int) -> dict:
    """Write the split as the peers read it: one interaction file, and the test histories as a matrix."""
    folder.mkdir(parents=True, exist_ok=True)
    test = read_table(split / "test.parquet", EVENTS)
    train = read_table(split / "train.parquet", {"user": pl.Int32, "history": pl.List(pl.Int32)})
    whole = test.select("user", pl.concat_list("history", "targets").alias("item"))
    rows = whole.join(train.select("user", pl.col("history").list.len().alias("known")), on="user", how="left")
    rows = rows.with_columns(pl.int_ranges(pl.col("item").list.len()).alias("order")).explode("item", "order")
    part = pl.when(pl.col("order") < pl.col("known")).then(pl.lit("train")).otherwise(pl.lit("later"))
    rows = rows.select("user", "item", "order", part.alias("part"))
    if rows.filter(part="train").height != train["history"].list.len().sum():
        raise SystemExit(f"{split}: not a leave-one-out split; RecBole's own split would differ from it")
    # RecBole keeps a user's last two events out of training; RecTools is given those marked train
    rows.write_csv(folder / "interactions.tsv", separator="\t")
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    body = rows.select("user", "item", "order").write_csv(separator="\t", include_header=False)
    (folder / f"{folder.name}.inter").write_text(header + body)
    histories = np.zeros((test.height, length), dtype=np.int64)
    for row, history in zip(histories, test["history"]):
        row[: min(len(history), length)] = history[-length:]
    np.save(folder / "histories.npy", histories)
    return {"interactions": str(folder / "interactions.tsv"), "histories": str(folder / "histories.npy")}


class Contestant:
    """One worker process."""

    def __init__(self, name: str, python, settings: dict):
        self.name, self.settings, self.turns = name, settings, []
        library = name.split("-")[0]
        worker = HERE / "workers" / ("ours.py" if library == "ours" else f"{library}_sasrec.py")
        # threads that sleep when they wait: a spinning one counts as work and, on a busy machine, delays the others
        variables = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"]), "OMP_WAIT_POLICY": "passive"}
        self.log = Path(settings["vectors"]).with_suffix(".log")
        self.process = subprocess.Popen(
            [python, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"),
            text=True, env=variables,
        )  # fmt: skip
        self._say(json.dumps(settings))
        self._answer("ready")

    def _say(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _answer(self, key: str):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended: see {self.log}")
        return json.loads(line)[key] if key != "turn" else json.loads(line)

    def turn(self) -> None:
        """Let it train for one turn."""
        self._say("turn")
        self.turns.append(self._answer("turn"))
        print(self.name, {k: v and round(v, 3) for k, v in self.turns[-1].items()}, file=sys.stderr, flush=True)

    def vectors(self) -> dict:
        """Return its vectors and end it."""
        path = self._answer("vectors")
        self.process.stdin.close()
        self.process.wait()
        return dict(np.load(path))


def quality(vectors: dict, events, known: torch.Tensor) -> float:
    """Return NDCG@10; items without a training event rank last, whoever scored them."""
    queries, items = torch.from_numpy(vectors["queries"]), torch.from_numpy(vectors["items"])

    def score(start, stop):
        scores = queries[start:stop] @ items.T
        scores[:, ~known] = scores.min() - 1
        return scores

    ragged = {
        "targets": events.targets.values, "target_offsets": events.targets.offsets,
        "history": events.histories.values, "history_offsets": events.histories.offsets, "remove_seen": True,
    }  # fmt: skip
    return validation_value(rank_events(score, ragged, len(items) - 1, 1024)[0], events.targets, "NDCG@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="folder of a leave-one-out split")
    parser.add_argument("--contestants", nargs="+", default=CONTESTANTS, choices=CONTESTANTS)
    parser.add_argument("--epochs", type=int, default=5, help="turns of each")
    parser.add_argument("--softmax-batches", type=int, default=2, help="of a turn of a peer with softmax")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--batch", type=int, default=256, help="users in a batch (RecBole: 2,048 positions)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--name", default="sasrec", help="of the result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads)

    scratch = options.scratch.resolve()
    data = write_data(options.split, scratch / "data" / "sasrec", options.length)
    users, items = read_sizes(options.split / "vocabulary.parquet")
    names = ("width", "length", "blocks", "heads", "dropout", "threads", "seed", "epochs")
    shared = {name: getattr(options, name) for name in names} | data
    shared |= {"items": items, "split": str(options.split.resolve()), "scratch": str(scratch)}
    contestants = []
    for name in options.contestants:
        library, loss = name.split("-")
        python = sys.executable if library == "ours" else environment(library, scratch / "envs")
        own = {
            "loss": loss, "batch": BATCH.get(library, options.batch),
            "batches": options.softmax_batches if loss == "softmax" else 0,
            "turns": options.epochs, "vectors": str(scratch / f"{name}.npz"),
        }  # fmt: skip
        contestants.append(Contestant(name, python, shared | own))
    for _ in range(options.epochs):
        for contestant in contestants:
            contestant.turn()

    events = read_events(options.split / "test.parquet", options.split / "test_candidates.parquet", items)[0]
    train = read_train(options.split / "train.parquet")
    known = torch.bincount(train.histories.values, minlength=items + 1) > 0
    rows = {}
    for contestant in contestants:
        value = quality(contestant.vectors(), events, known)
        rows[contestant.name] = {
            "seconds_per_epoch": spread(t["seconds"] / t["share"] for t in contestant.turns),
            "cpu_seconds_per_epoch": spread(t["cpu_seconds"] / t["share"] for t in contestant.turns),
            "epochs_trained": round(sum(t["share"] for t in contestant.turns), 3),
            "NDCG@10": round(value, 5),
        }
    result = {
        "benchmark": "SASRec, seconds per training epoch", "machine": load,
        "data": {"users": users, "items": items, "positions": int((train.histories.lengths - 1).clamp_min(0).sum())},
        "settings": {n: getattr(options, n) for n in (*names, "batch", "softmax_batches")},
        "contestants": rows, "times_faster": {},
    }  # fmt: skip
    for loss in ("softmax", "bce"):
        peers = {n: rows[n] for n in rows if n.endswith(loss) and not n.startswith("ours")}
        if peers and (ours := rows.get(f"ours-{loss}")):
            fastest = min(peers, key=lambda n: peers[n]["seconds_per_epoch"]["median"])
            result["times_faster"][loss] = {"peer": fastest} | {
                clock: round(peers[fastest][clock]["median"] / ours[clock]["median"], 2)
                for clock in ("seconds_per_epoch", "cpu_seconds_per_epoch")
            }
    save(options.name, result)


if __name__ == "__main__":
    main()
