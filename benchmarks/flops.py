"""SASRec's training step: GFLOP/s, and which share of it the machine's matrix products could reach.

    OMP_WAIT_POLICY=passive PYTHONPATH=.:workflow_scripts .venv/bin/python benchmarks/flops.py SPLIT

Batches of a real split through the loss, its gradients and AdamW, in turns with large matrix products of the same
precisions on the same threads. FLOPs are those of matrix products alone (a multiplication and an addition are two), as
torch dispatches them: of Linear layers, attention (all pairs of positions, as torch's own counter has it; its backward
pass makes five products of the forward's two) and the softmax, whose gradients are made with the loss. The share is the
time that these products would take at the machine's best, each precision at its own, over the time of the step;
beside it, the same with all of them in float32.
"""

import argparse
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import torch
from measure import machine, save, spread
from ptebench.config import resolve
from ptebench.recommenders.split import catalogue, read_sizes, read_train
from ptebench.recommenders.training import build
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

SIZES = (512, 1024, 2048)  # of square matrices, the fastest of which is the machine's best
ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": 4,
    "_scaled_dot_product_flash_attention_for_cpu_backward": 10,
}


class Products(TorchDispatchMode):
    """Counts the FLOPs of matrix products, by precision."""

    def __init__(self):
        super().__init__()
        self.flops = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = function._overloadpacket.__name__
        if name in ATTENTION:
            query = args[1] if name.endswith("backward") else args[0]
            key = args[2] if name.endswith("backward") else args[1]
            self.flops[str(query.dtype)] += ATTENTION[name] * query.numel() * key.shape[-2]
        elif function._overloadpacket in flop_registry:
            precision = next(a.dtype for a in args if isinstance(a, torch.Tensor))
            self.flops[str(precision)] += flop_registry[function._overloadpacket](*args, **kwargs, out_val=result)
        elif "attention" in name:
            raise SystemExit(f"{name}: no formula for this operator; add it to ATTENTION")
        return result


def clocks(work) -> tuple[float, float]:
    """Return wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


class Gemm:
    """Square matrix products of one precision and size, about two GFLOP a turn."""

    def __init__(self, precision: torch.dtype, size: int):
        self.a, self.b, self.out = (torch.randn(size, size).to(precision) for _ in range(3))
        self.times = max(2**30 // size**3, 1)
        self.flops, self.turns = 2 * size**3 * self.times, []

    def turn(self) -> None:
        """Multiply, and note the time."""
        self.turns.append(clocks(lambda: [torch.mm(self.a, self.b, out=self.out) for _ in range(self.times)]))

    def best(self, clock: int) -> float:
        """Return the greatest FLOP/s."""
        return self.flops / min(turn[clock] for turn in self.turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="folder of a split")
    parser.add_argument("--batches", type=int, default=20, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--name", default="flops", help="of the result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads)

    train_set, sizes = read_train(options.split / "train.parquet"), read_sizes(options.split / "vocabulary.parquet")
    names = ("width", "length", "blocks", "heads", "dropout", "batch", "batches", "threads")
    own = {
        "dimension": options.width, "max_length": options.length, "blocks": options.blocks, "heads": options.heads,
        "dropout": options.dropout, "batch_size": options.batch, "device": "cpu",
    }  # fmt: skip
    settings = resolve({"backbones": {"sasrec": own}}, "flops.py")["backbones"]["sasrec"]
    spec = {"backbone": settings, "representation": {"kind": "id"}, "seed": 0}
    model, representation = build(spec, catalogue(train_set, sizes, spec["backbone"], {}))
    parameters = [*model.parameters(), *representation.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.98), fused=True)
    batches = list(islice(cycle(model.batches(train_set, torch.Generator().manual_seed(0))), options.batches))

    def steps():
        for batch in batches:
            loss = model.loss(batch, representation, None)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    with Products() as products:
        steps()
    gemms = {p: [Gemm(getattr(torch, p.removeprefix("torch.")), size) for size in SIZES] for p in products.flops}
    turns = []
    for _ in range(options.turns):
        turns.append(clocks(steps))
        for gemm in (g for group in gemms.values() for g in group):
            gemm.turn()

    total, result = sum(products.flops.values()), {}
    for clock, name in enumerate(("seconds", "cpu_seconds")):
        best = {p: max(g.best(clock) for g in group) for p, group in gemms.items()}
        ideal = sum(flops / best[p] for p, flops in products.flops.items())
        result[name] = {
            "of_a_step": spread(t[clock] / len(batches) for t in turns),
            "gflops": spread(total / t[clock] / 1e9 for t in turns),
            "gflops_of_products": {p: round(value / 1e9, 1) for p, value in best.items()},
            "share": spread(ideal / t[clock] for t in turns),
            "share_of_float32": spread(total / t[clock] / best["torch.float32"] for t in turns),
        }
    save(options.name, {
        "benchmark": "SASRec, FLOP/s of a training step against those of matrix products", "machine": load,
        "settings": {n: getattr(options, n) for n in names},
        "gflop_of_a_step": {p: round(flops / len(batches) / 1e9, 3) for p, flops in products.flops.items()},
        **result,
    })  # fmt: skip


if __name__ == "__main__":
    main()
