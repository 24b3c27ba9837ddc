"""Training steps against the machine's limits: FLOP/s of matrix products, and bytes per second of memory.

    OMP_WAIT_POLICY=passive PYTHONPATH=. .venv/bin/python benchmarks/flops.py SPLIT

Batches of a real split through the loss, its gradients and AdamW, in turns with large matrix products of the same
precisions and with copies of a large array, on the same threads or GPU. FLOPs are those of dense matrix products alone
(a multiplication and an addition are two), as torch dispatches them: of Linear layers, attention (all pairs of
positions, as torch's own counter has it; its backward pass makes five products of the forward's two) and the softmax,
whose gradients are made with the loss. The share is the time that these products would take at the machine's best, each
precision at its own, over the time of the step; beside it, the same with all of them in float32. Bytes are those of
what every operator reads and writes, of a table that it looks up only the rows, whether they come from a cache or
not; their share is against the copy, whose bytes are counted in the same way. Of a GPU there is the share of the time
in which it computes at all: the sum of its kernels' times in a profile, over the time of the step without one.
"""

import argparse
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import torch
from measure import machine, save, settle, spread
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from ptebench.config.read import resolve
from ptebench.recommenders.model import build, device_of
from ptebench.recommenders.split import catalogue, read_sizes, read_train

SIZES = {"cpu": (512, 1024, 2048), "cuda": (4096, 8192)}  # of square matrices, the fastest is the machine's best
COPY = {"cpu": 2**28, "cuda": 2**32}  # bytes, more than any cache holds
ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": 4,
    "_scaled_dot_product_flash_attention_for_cpu_backward": 10,
}
LOOKUPS = ("embedding", "index", "index_select", "gather", "_embedding_bag_forward_only", "_embedding_bag")


def size(tensor) -> int:
    """Return the bytes of a tensor."""
    return tensor.numel() * tensor.element_size()


def touched(function, args, kwargs, result) -> int:
    """Return the bytes that an operator reads and writes; a view of a tensor has none."""
    returns = function._schema.returns
    if any(r.alias_info and not r.alias_info.is_write for r in returns):
        return 0
    read = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
    written = [r for r in tree_leaves(result) if isinstance(r, torch.Tensor)]
    total = sum(size(r) for r in written if all(r is not a for a in read))
    changed = [a for a, known in zip(args, function._schema.arguments) if getattr(known.alias_info, "is_write", False)]
    total += sum(size(c) for c in tree_leaves(changed) if isinstance(c, torch.Tensor))
    name = function._overloadpacket.__name__
    if name in LOOKUPS:  # of the table as many rows as there are indices
        table, *indices = read
        rows = indices[0].numel() if name.startswith(("embedding", "_embedding", "index_select")) else 0
        own = rows * size(table[0]) if rows else size(written[0])
        return total + own + sum(size(i) for i in indices)
    return total + sum(size(a) for a in read)


class Work(TorchDispatchMode):
    """Counts the FLOPs of dense matrix products, by precision, and the bytes that all operators touch."""

    def __init__(self):
        super().__init__()
        self.flops, self.bytes = Counter(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        name = function._overloadpacket.__name__
        self.bytes += touched(function, args, kwargs, result)
        if name in ATTENTION:
            query = args[1] if name.endswith("backward") else args[0]
            key = args[2] if name.endswith("backward") else args[1]
            self.flops[str(query.dtype)] += ATTENTION[name] * query.numel() * key.shape[-2]
        elif function._overloadpacket in flop_registry:
            precision = next(a.dtype for a in args if isinstance(a, torch.Tensor))
            self.flops[str(precision)] += flop_registry[function._overloadpacket](*args, **kwargs, out_val=result)
        elif "attention" in name or "rnn" in name:
            raise SystemExit(f"{name}: no formula for this operator; add it to ATTENTION")
        return result


def clocks(work) -> tuple[float, float]:
    """Return wall and CPU seconds of a call."""
    settle()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    settle()
    return time.perf_counter() - wall, time.process_time() - cpu


class Gemm:
    """Square matrix products of one precision and side, several GFLOP a turn."""

    def __init__(self, precision: torch.dtype, side: int, device: str):
        self.a, self.b, self.out = (torch.randn(side, side, device=device).to(precision) for _ in range(3))
        self.times = max(2**30 // side**3, 1) if device == "cpu" else 5
        self.flops, self.turns = 2 * side**3 * self.times, []

    def turn(self) -> None:
        """Multiply, and note the time."""
        self.turns.append(clocks(lambda: [torch.mm(self.a, self.b, out=self.out) for _ in range(self.times)]))

    def best(self, clock: int) -> float:
        """Return the greatest FLOP/s."""
        return self.flops / min(turn[clock] for turn in self.turns)


def busy_seconds(work) -> float:
    """Return how long the GPU's kernels ran in a call."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        work()
        settle()
    return sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6


def steps_of(backbone: str, options):
    """Return what makes the training steps of one turn."""
    train_set, sizes = read_train(options.split / "train.parquet"), read_sizes(options.split / "vocabulary.parquet")
    own = {"dimension": options.width, "device": options.device, "batch_size": options.pairs}
    if backbone in ("sasrec", "bert4rec", "dreamrec"):
        own |= {
            "max_length": options.length, "blocks": options.blocks, "heads": options.heads,
            "dropout": options.dropout, "batch_size": options.batch,
        }  # fmt: skip
    settings = resolve({"backbones": {backbone: own}}, "flops.py")["backbones"][backbone]
    spec = {"backbone": settings, "representation": {"kind": "id"}, "seed": 0}
    model, representation = build(spec, catalogue(train_set, sizes, settings, {}))
    device = device_of(settings)
    both, train_set = torch.nn.ModuleList([model, representation]).to(device), train_set.to(device)
    if hasattr(model, "observe"):
        model.observe(train_set)
    optimizer = torch.optim.AdamW(both.parameters(), lr=1e-3, betas=(0.9, 0.98), fused=True)
    batches = list(islice(cycle(model.batches(train_set, torch.Generator().manual_seed(0))), options.batches))
    generator = torch.Generator(device).manual_seed(0)

    def steps():
        for batch in batches:
            loss = model.loss(batch, representation, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return steps


def measured(backbone: str, options) -> dict:
    """Return time, FLOP/s and bytes per second of a backbone's step, and their shares of the machine's."""
    steps = steps_of(backbone, options)
    steps()  # the optimizer's state and the kernels are made
    with Work() as work:
        steps()
    total = sum(work.flops.values())
    precisions = {p: getattr(torch, p.removeprefix("torch.")) for p in {*work.flops, "torch.float32"}}
    gemms = {p: [Gemm(kind, side, options.device) for side in SIZES[options.device]] for p, kind in precisions.items()}
    source = torch.randn(COPY[options.device] // 8, device=options.device)
    target, turns, copies = source.clone(), [], []
    for _ in range(options.turns):
        turns.append(clocks(steps))
        copies.append(clocks(lambda: target.copy_(source)))
        for gemm in (g for group in gemms.values() for g in group):
            gemm.turn()
    result = {
        "gflop_of_a_step": {p: round(flops / options.batches / 1e9, 3) for p, flops in work.flops.items()},
        "megabytes_of_a_step": round(work.bytes / options.batches / 1e6, 1),
    }
    for clock, name in enumerate(("seconds", "cpu_seconds") if options.device == "cpu" else ("seconds",)):
        best = {p: max(g.best(clock) for g in group) for p, group in gemms.items()}
        ideal = sum(flops / best[p] for p, flops in work.flops.items())
        copied = 2 * size(source) / min(c[clock] for c in copies)
        result[name] = {
            "of_a_step": spread(t[clock] / options.batches for t in turns),
            "gflops": spread(total / t[clock] / 1e9 for t in turns),
            "gflops_of_products": {p: round(value / 1e9, 1) for p, value in best.items()},
            "share": spread(ideal / t[clock] for t in turns),
            "share_of_float32": spread(total / t[clock] / best["torch.float32"] for t in turns),
            "gigabytes_per_second": spread(work.bytes / t[clock] / 1e9 for t in turns),
            "gigabytes_per_second_of_a_copy": round(copied / 1e9, 1),
            "share_of_a_copy": spread(work.bytes / t[clock] / copied for t in turns),
        }
    if options.device == "cuda":
        seconds = result["seconds"]["of_a_step"]["median"] * options.batches
        result["share_of_time_computing"] = round(busy_seconds(steps) / seconds, 3)
    return result


def parser_of(description: str) -> argparse.ArgumentParser:
    """Return a parser of what makes a training step."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="folder of a split")
    parser.add_argument("--backbones", nargs="+", default=["sasrec"], help="but recurrent ones")
    parser.add_argument("--batches", type=int, default=20, help="of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--batch", type=int, default=256, help="histories")
    parser.add_argument("--pairs", type=int, default=2048, help="of a batch, where a backbone has no histories")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parser


def save_of_all(title: str, options, of_one) -> None:
    """Write `of_one(backbone, options)` of every backbone, with the machine and the settings of the step."""
    torch.set_num_threads(options.threads)
    load = machine(options.threads, options.device)
    settings = {n: v for n, v in vars(options).items() if n not in ("split", "backbones", "turns", "name")}
    results = {backbone: of_one(backbone, options) for backbone in options.backbones}
    save(options.name, {"benchmark": title, "machine": load, "settings": settings, "backbones": results})


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--name", default="flops", help="of the result file")
    save_of_all("training steps against the machine's limits", parser.parse_args(), measured)


if __name__ == "__main__":
    main()
