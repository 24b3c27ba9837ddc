"""Alignment of texts with training pairs: seconds and memory of an epoch of simulated pairs.

    PYTHONPATH=. .venv/bin/python benchmarks/aligning.py

100,000 pairs of 20,000 items with 384 coordinates of text, in batches of 1,024, each told from the batch's other items
and 1,024 more. Set up is what a job does once before its first epoch.
"""

import argparse
import resource
import time

import torch
from measure import machine, save, spread

from ptebench.config.embeddings import Align
from ptebench.recommenders.alignment import cell_of
from ptebench.recommenders.model import build
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Train
from ptebench.recommenders.training import make_optimizer

ITEMS, LENGTH = 20_000, 8


def histories(pairs: int, window: int) -> Train:
    """Return histories of 8 items, popular ones more often, of about that many pairs."""
    users = pairs // sum(LENGTH - gap for gap in range(1, window + 1))
    drawn = torch.Generator().manual_seed(0)
    items = (ITEMS * torch.rand(users, LENGTH, generator=drawn) ** 2).long() + 1
    offsets = torch.arange(users + 1) * LENGTH
    return Train(torch.arange(1, users + 1), Ragged(items.flatten(), offsets))


def epoch(backbone, representation, optimizer, data, number: int) -> float:
    """Return the seconds of an epoch."""
    order, others = (torch.Generator().manual_seed(seed) for seed in (number, number + 1))
    started = time.perf_counter()
    for batch in backbone.batches(data, order):
        loss = backbone.loss(batch, representation, others)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load, align = machine(options.threads), Align()
    data, started = histories(options.pairs, align.window), time.perf_counter()
    spec = cell_of({"seed": 0, "control": None, "align": align.model_dump(), "remove_seen": True})
    text = torch.nn.functional.normalize(torch.randn(ITEMS + 1, 384), dim=1).index_fill(0, torch.tensor([0]), 0.0)
    users, items = data.pairs
    counts = torch.bincount(items, minlength=ITEMS + 1), torch.bincount(users)
    catalogue = Catalogue(len(data.users), ITEMS, align.dimension, *counts, {"item": text})
    backbone, representation = build(spec, catalogue)
    backbone.observe(data)
    optimizer = make_optimizer(torch.nn.ModuleDict({"representation": representation}), spec)
    assert backbone.related is not None
    ready = time.perf_counter() - started
    seconds, cpu = [], []
    for number in range(options.epochs):
        clock = time.process_time()
        seconds.append(epoch(backbone, representation, optimizer, data, number))
        cpu.append(time.process_time() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    save("aligning", {
        "benchmark": "alignment of texts with training pairs", "machine": load, "items": ITEMS,
        "pairs": backbone.pairs.shape[1], "set_up_seconds": round(ready, 2), "epoch_seconds": spread(seconds),
        "epoch_cpu_seconds": spread(cpu), "peak_memory_mib": round(peak),
    })  # fmt: skip


if __name__ == "__main__":
    main()
