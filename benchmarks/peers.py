"""What benchmarks against other libraries share: their environments, their data, turns, one evaluator for all.

Every contestant is a process that waits for its turn; a turn is one epoch (of a peer whose epochs take many minutes: a
number of batches, scaled to an epoch), and only one of them computes at a time. Afterwards each gives the vectors of
the test histories and of the items, and one evaluator, ours, ranks them: whole catalogue, seen items removed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import torch
from measure import spread

from ptebench.files import EVENTS, read_table
from ptebench.recommenders.evaluation import validation_value
from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.split import read_events, read_train

HERE = Path(__file__).parent
FILES = {"interactions": "interactions.tsv", "histories": "histories.npy", "users": "users.npy"}


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
    np.save(folder / "users.npy", test["user"].to_numpy())
    return {name: str(folder / file) for name, file in FILES.items()}


class Contestant:
    """One worker process."""

    def __init__(self, name: str, python, settings: dict):
        self.name, self.settings, self.turns = name, settings, []
        library = name.split("-")[0]
        worker = HERE / "workers" / ("ours.py" if library == "ours" else f"of_{library}.py")
        # threads that sleep when they wait: a spinning one counts as work and, on a busy machine, delays the others
        variables = {**os.environ, "OMP_NUM_THREADS": str(settings["threads"]), "OMP_WAIT_POLICY": "passive"}
        self.log = Path(settings["vectors"]).with_suffix(".log")
        self.process = subprocess.Popen(
            [python, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"),
            text=True, env=variables,
        )  # fmt: skip
        self._say(json.dumps(settings))
        self.rows = self._answer("ready")

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

    def summary(self, value: float) -> dict:
        """Return what its turns cost, and the quality `value` that it reached."""
        return {
            "seconds_per_epoch": spread(t["seconds"] / t["share"] for t in self.turns),
            "cpu_seconds_per_epoch": spread(t["cpu_seconds"] / t["share"] for t in self.turns),
            **{peak: max(t[peak] for t in self.turns) for peak in ("peak_mb", "peak_gpu_mb") if peak in self.turns[0]},
            "rows_per_epoch": self.rows,
            "epochs_trained": round(sum(t["share"] for t in self.turns), 3),
            "NDCG@10": round(value, 5),
        }

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


def compete(contestants: list[Contestant], turns: int, split: Path, items: int) -> dict:
    """Let each take its turns, one after the other, and return their summaries by name."""
    for _ in range(turns):
        for contestant in contestants:
            contestant.turn()
    events = read_events(split / "test.parquet", split / "test_candidates.parquet", items)[0]
    train = read_train(split / "train.parquet")
    known = torch.bincount(train.histories.values, minlength=items + 1) > 0
    return {c.name: c.summary(quality(c.vectors(), events, known)) for c in contestants}


def positions(split: Path) -> int:
    """Return how many training events follow another of their user."""
    return int((read_train(split / "train.parquet").histories.lengths - 1).clamp_min(0).sum())


def times_faster(ours: dict, peer: dict) -> dict:
    """Return the ratios of the medians of two summaries, above one where ours is the faster."""
    clocks = ("seconds_per_epoch", "cpu_seconds_per_epoch")
    return {clock: round(peer[clock]["median"] / ours[clock]["median"], 2) for clock in clocks}
