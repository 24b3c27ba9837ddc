"""Exact full ranking of 22,363 events x 12,101 items: seconds, the product of 64-dimensional vectors included.

    PYTHONPATH=. .venv/bin/python benchmarks/ranking.py
    PYTHONPATH=. .venv/bin/python benchmarks/ranking.py --split results/splits/beauty/leave_one_out

Vectors are random; histories and targets are random too, or those of the test events of a split. Seen items are
removed. The ranks of 200 events are compared with those of a plain sort. On a machine that does other work set
OMP_WAIT_POLICY=passive: two threads that spin while they wait for one another take several times as long there.
"""

import argparse
import time
from pathlib import Path

import torch
from measure import machine, save, settle, spread

from ptebench.recommenders.ranking import rank_events
from ptebench.recommenders.split import read_events, read_sizes

EVENTS, ITEMS, DIMENSION = 22_363, 12_101, 64


def random_events(random) -> dict:
    """Return events with random histories of 5 to 49 items and one random target each."""
    lengths = torch.randint(5, 50, (EVENTS,), generator=random)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    return {
        "targets": torch.randint(1, ITEMS + 1, (EVENTS,), generator=random),
        "target_offsets": torch.arange(EVENTS + 1),
        "history": torch.randint(1, ITEMS + 1, (int(offsets[-1]),), generator=random), "history_offsets": offsets,
        "candidates": None, "remove_seen": True,
    }  # fmt: skip


def events_of(split: Path) -> tuple[dict, int]:
    """Return the test events of a split and its number of items."""
    items = read_sizes(split / "vocabulary.parquet")[1]
    events = read_events(split / "test.parquet", split / "test_candidates.parquet", items)[0]
    return {
        "targets": events.targets.values, "target_offsets": events.targets.offsets,
        "history": events.histories.values, "history_offsets": events.histories.offsets,
        "candidates": events.candidates, "remove_seen": True,
    }, items  # fmt: skip


def sorted_rank(scores: torch.Tensor, target: int, seen: torch.Tensor) -> int:
    """Return the place of a target when the unseen items are sorted by score."""
    scores = scores.clone()
    scores[seen[seen != target]] = -torch.inf
    scores[0] = -torch.inf
    return int((scores.argsort(descending=True) == target).nonzero()[0, 0]) + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--split", type=Path, help="folder of a split; default: random events")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--name", default="ranking", help="of the result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads, options.device)
    random = torch.Generator().manual_seed(0)
    events, items = events_of(options.split) if options.split else (random_events(random), ITEMS)
    count = len(events["target_offsets"]) - 1
    users, vectors = (torch.randn(n, DIMENSION, generator=random).to(options.device) for n in (count, items + 1))
    wall, cpu = [], []
    for _ in range(options.runs):
        started, clock = time.perf_counter(), time.process_time()
        ranks, _ = rank_events(lambda start, stop: users[start:stop] @ vectors.T, events, items)
        settle()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - clock)
    wrong = 0
    for event in range(0, count, max(1, count // 200)):
        first = int(events["target_offsets"][event])
        low, high = (int(x) for x in events["history_offsets"][event : event + 2])
        expected = sorted_rank(users[event] @ vectors.T, int(events["targets"][first]), events["history"][low:high])
        # a product of one row may round differently from one of many, and swap two neighbours
        wrong += abs(float(ranks[first]) - expected) > 1
    save(options.name, {
        "benchmark": "exact full ranking, seconds", "machine": load, "events": count, "items": items,
        "dimension": DIMENSION, "seconds": spread(wall), "cpu_seconds": spread(cpu), "target": 3.0,
        "wrong_of_200": wrong,
    })  # fmt: skip


if __name__ == "__main__":
    main()
