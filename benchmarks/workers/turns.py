"""The line by line exchange of a worker with benchmarks/peers.py: it trains only when it has the turn."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import settle


def peak_mb() -> int:
    """Return the most memory that this process has had, in MB, libraries and data with it.

    Not `getrusage`, whose value begins at the parent's.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


class Turns:
    """One JSON line on stdin gives the settings, each further line a turn; each answer is one JSON line."""

    def __init__(self):
        self.channel = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print must not get between the answers
        self.settings = json.loads(sys.stdin.readline())
        torch.set_num_threads(self.settings["threads"])

    def ready(self, rows: int) -> None:
        """Say that all is loaded, and how many rows an epoch has: histories, their beginnings, or pairs."""
        self._answer({"ready": rows})

    def wait(self) -> None:
        """Sleep until it is this worker's turn, then start the clocks."""
        if not sys.stdin.readline():
            sys.exit(1)
        settle()
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def done(self, share: float, loss: float | None = None) -> None:
        """Report the time since `wait`, which share of an epoch was trained in it, and the most memory so far."""
        settle()
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        turn = {"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak_mb(), "share": share, "loss": loss}
        if torch.cuda.is_initialized():
            turn["peak_gpu_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
        self._answer(turn)

    def finish(self, queries, items) -> None:
        """Write the vectors of all test histories (E, d) and of all items (n + 1, d), tensors on any device."""
        path = Path(self.settings["vectors"])
        np.savez(path, queries=queries.float().cpu().numpy(), items=items.float().cpu().numpy())
        self._answer({"vectors": str(path)})

    def _answer(self, message: dict) -> None:
        print(json.dumps(message), file=self.channel, flush=True)
