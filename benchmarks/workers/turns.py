"""The line by line exchange of a worker with benchmarks/sasrec.py: it trains only when it has the turn."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch


class Turns:
    """One JSON line on stdin gives the settings, each further line a turn; each answer is one JSON line."""

    def __init__(self):
        self.channel = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print must not get between the answers
        self.settings = json.loads(sys.stdin.readline())
        torch.set_num_threads(self.settings["threads"])

    def ready(self) -> None:
        """Say that all is loaded."""
        self._answer({"ready": True})

    def wait(self) -> None:
        """Sleep until it is this worker's turn, then start the clocks."""
        if not sys.stdin.readline():
            sys.exit(1)
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def done(self, share: float, loss: float | None = None) -> None:
        """Report the time since `wait` and which share of an epoch was trained in it."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        self._answer({"seconds": wall, "cpu_seconds": cpu, "share": share, "loss": loss})

    def finish(self, queries, items) -> None:
        """Write the vectors of all test histories (E, d) and of all items (n + 1, d)."""
        path = Path(self.settings["vectors"])
        np.savez(path, queries=np.asarray(queries, dtype=np.float32), items=np.asarray(items, dtype=np.float32))
        self._answer({"vectors": str(path)})

    def _answer(self, message: dict) -> None:
        print(json.dumps(message), file=self.channel, flush=True)
