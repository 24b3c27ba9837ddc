"""Parts of a training step against the same written with torch's own operators, with gradients, turn by turn.

    OMP_WAIT_POLICY=passive PYTHONPATH=. .venv/bin/python benchmarks/parts.py SPLIT

The product with the training graph of the split, there and back as the gradient takes it, against torch's sparse CSR
and scipy's; the losses that never keep their logits against logits and `cross_entropy`, in float32 and in what
`autocast` makes bfloat16; item vectors over text, those of a step's targets and negatives against those of all items.
Rows, targets and negatives are as many as a batch of SASRec has; vectors are random.
"""

import argparse
import time
from pathlib import Path

import scipy.sparse as sp
import torch
from measure import machine, save, settle, spread
from torch.nn import functional as F

from ptebench.config.read import resolve
from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.graph import normalise_graph, product
from ptebench.recommenders.losses import cross_entropy, sampled_softmax
from ptebench.recommenders.model import build
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.split import read_sizes, read_train
from ptebench.recommenders.training import quicken


def graph_products(split: Path, width: int, device: str) -> dict:
    """Return by name what multiplies the graph (n, n) with vectors (n, width) twice."""
    train, sizes = read_train(split / "train.parquet"), read_sizes(split / "vocabulary.parquet")
    graph = normalise_graph(*(part.to(device) for part in train.pairs), *sizes)
    n, rows = len(graph.rows) - 1, graph.parts[graph.rows.long()]
    narrow = torch.sparse_csr_tensor(rows, graph.columns, graph.values, (n, n))
    wide = torch.sparse_csr_tensor(rows.long(), graph.columns.long(), graph.values, (n, n))
    x = torch.randn(n, width, device=device)
    products = {
        "ours": lambda: product(graph, product(graph, x)),
        "torch": lambda: wide @ (wide @ x),
        "torch, int32": lambda: narrow @ (narrow @ x),
    }
    if device == "cpu":
        scipy = sp.csr_matrix((graph.values.numpy(), graph.columns.numpy(), rows.numpy()), (n, n))
        products["scipy"] = lambda: scipy @ (scipy @ x.numpy())
    return products


def plain_sampled_softmax(hidden, vectors, targets, negatives):
    """Return what losses.sampled_softmax does, by a matrix of logits."""
    logits = torch.cat([(hidden * vectors[targets]).sum(1, keepdim=True), hidden @ vectors[negatives].T], 1)
    own = F.pad(targets[:, None] == negatives, (1, 0))
    return F.cross_entropy(logits.masked_fill(own, float("-inf")), torch.zeros_like(targets))


def losses(rows: int, items: int, width: int, negatives: int, device: str) -> dict:
    """Return by loss and by name what makes it and its gradients."""
    hidden, vectors = (torch.randn(n, width, device=device, requires_grad=True) for n in (rows, items))
    targets, drawn = (torch.randint(items, (n,), device=device) for n in (rows, negatives))
    near = torch.arange(rows, device=device)

    def plain_contrast():
        return F.cross_entropy(F.normalize(hidden) @ F.normalize(vectors[:rows]).T / 0.2, near)

    both = {
        "cross_entropy": (
            lambda: cross_entropy.loss(hidden, vectors, targets),
            lambda: F.cross_entropy(hidden @ vectors.T, targets),
        ),
        "sampled_softmax": (
            lambda: sampled_softmax.loss(hidden, vectors, targets, drawn, items, {}),
            lambda: plain_sampled_softmax(hidden, vectors, targets, drawn),
        ),
        "contrast": (lambda: contrast(hidden, vectors[:rows], 0.2), plain_contrast),
    }

    def with_gradients(loss, lower=False):
        def work():
            hidden.grad = vectors.grad = None
            with torch.autocast(device, torch.bfloat16, enabled=lower):
                value = loss()
            value.backward()

        return work

    return {
        name: {
            "ours": with_gradients(ours),
            "torch": with_gradients(plain),
            "torch, autocast": with_gradients(plain, lower=True),
        }
        for name, (ours, plain) in both.items()
    }


def text_vectors(rows: int, items: int, width: int, negatives: int, device: str) -> dict:
    """Return by representation and name what makes the item vectors of a step, of text (384), and their gradients."""
    targets, drawn = (torch.randint(1, items + 1, (n,), device=device) for n in (rows, negatives))
    text = torch.randn(items + 1, 384)
    text[0] = 0
    known = Catalogue(1, items, width, (torch.arange(items + 1) > 0).long(), torch.tensor([0, 1]), {"item": text})
    kinds = ("morec", "unisrec", "whitenrec", "pte")
    settings = resolve(
        {
            "encoders": {"minilm": {}},
            "backbones": {"sasrec": {}},
            "representations": dict.fromkeys(kinds, {"text": "card"}),
        },
        "parts",
    )

    def works(kind):
        spec = {
            "backbone": settings["backbones"]["sasrec"],
            "representation": settings["representations"][kind],
            "seed": 0,
        }
        made = build(spec, known)[1].to(device)
        quicken(made, torch.device(device))
        return {
            "ours": lambda: made.vectors_of(targets, drawn)[0].square().sum().backward(),
            "all items": lambda: made.item_vectors().square().sum().backward(),
        }

    return {f"item vectors, {kind}": works(kind) for kind in kinds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="folder of a split")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rows", type=int, default=1500, help="positions of a batch")
    parser.add_argument("--items", type=int, default=12101)
    parser.add_argument("--negatives", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--name", default="parts", help="of the result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads, options.device)
    parts = {"graph product": graph_products(options.split, options.width, options.device)}
    sizes = options.rows, options.items, options.width, options.negatives, options.device
    parts |= losses(*sizes) | text_vectors(*sizes)
    result = {}
    for part, works in parts.items():
        turns = {name: [] for name in works}
        for turn in range(options.turns + 1):
            for name, work in works.items():
                clock = time.perf_counter()
                work()
                settle()
                if turn:  # the first warms up
                    turns[name].append(1000 * (time.perf_counter() - clock))
        milliseconds = {name: spread(values) for name, values in turns.items()}
        ours = milliseconds["ours"]["median"]
        result[part] = {
            "milliseconds": milliseconds,
            "times_faster": {n: round(m["median"] / ours, 1) for n, m in milliseconds.items() if n != "ours"},
        }
    names = ("width", "rows", "items", "negatives", "threads", "device")
    save(options.name, {
        "benchmark": "parts of a training step against torch's own operators", "machine": load,
        "settings": {n: getattr(options, n) for n in names}, "parts": result,
    })  # fmt: skip


if __name__ == "__main__":
    main()
