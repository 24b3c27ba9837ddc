"""Exact full ranking of 22,363 events x 12,101 items, the product of 64-dimensional vectors included.

PYTHONPATH=workflow_scripts python benchmarks/ranking.py --threads 2
"""

import argparse
import time

import torch

from ptebench.recommenders.ranking import rank_events

EVENTS, ITEMS, DIMENSION = 22_363, 12_101, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    random = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, DIMENSION, generator=random) for n in (EVENTS, ITEMS + 1))
    lengths = torch.randint(5, 50, (EVENTS,), generator=random)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    events = {
        "targets": torch.randint(1, ITEMS + 1, (EVENTS,), generator=random),
        "target_offsets": torch.arange(EVENTS + 1),
        "history": torch.randint(1, ITEMS + 1, (int(offsets[-1]),), generator=random),
        "history_offsets": offsets,
        "candidates": None,
        "remove_seen": True,
    }
    wall, cpu = [], []
    for _ in range(5):
        started, clock = time.perf_counter(), time.process_time()
        rank_events(lambda start, stop: users[start:stop] @ items.T, events, ITEMS)
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - clock)
    print(f"{torch.get_num_threads()} threads, best of 5: {min(wall):.2f} s, {min(cpu):.2f} CPU seconds")


if __name__ == "__main__":
    main()
