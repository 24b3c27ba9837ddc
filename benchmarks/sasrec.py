"""SASRec: seconds per epoch against RecTools' and RecBole's, in one run, turn by turn, on the same data.

    PYTHONPATH=. .venv/bin/python benchmarks/sasrec.py results/splits/beauty/leave_one_out

The peers are installed into environments of their own below results/benchmarks/envs (benchmarks/envs/*.txt).
The turns are those of benchmarks/peers.py. All have the same width, length, blocks, heads, dropout, learning rate and
threads, and the same training events.
"""

import argparse
import sys
from pathlib import Path

import torch
from measure import machine, save
from peers import Contestant, compete, environment, positions, times_faster, write_data

from ptebench.recommenders.split import read_sizes

CONTESTANTS = ("ours-softmax", "ours-bce", "rectools-softmax", "rectools-bce", "recbole-softmax")
BATCH = {"recbole": 2048}  # its default; it counts positions, the others users
LOSS = {"softmax": "cross_entropy", "bce": "bce"}


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
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--name", default="sasrec", help="of the result file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads, options.device)

    scratch = options.scratch.resolve()
    data = write_data(options.split, scratch / "data" / "sasrec", options.length)
    users, items = read_sizes(options.split / "vocabulary.parquet")
    names = ("width", "length", "blocks", "heads", "dropout", "threads", "device", "seed", "epochs")
    shared = {name: getattr(options, name) for name in names} | data
    shared |= {"items": items, "split": str(options.split.resolve()), "scratch": str(scratch)}
    common = {"blocks": options.blocks, "heads": options.heads, "dropout": options.dropout}
    recbole = {
        "model": "SASRec", "n_layers": options.blocks, "n_heads": options.heads, "hidden_size": options.width,
        "inner_size": options.width, "hidden_dropout_prob": options.dropout, "attn_dropout_prob": options.dropout,
    }  # fmt: skip
    contestants = []
    for name in options.contestants:
        library, loss = name.split("-")
        python = sys.executable if library == "ours" else environment(library, scratch / "envs")
        own = {
            "loss": loss, "batch": BATCH.get(library, options.batch), "recbole": recbole,
            "backbone": {"kind": "sasrec", "loss": LOSS[loss], "max_length": options.length, **common},
            "batches": options.softmax_batches if loss == "softmax" else 0,
            "turns": options.epochs, "vectors": str(scratch / f"{name}.npz"),
        }  # fmt: skip
        contestants.append(Contestant(name, python, shared | own))
    rows = compete(contestants, options.epochs, options.split, items)
    result = {
        "benchmark": "SASRec, seconds per training epoch", "machine": load,
        "data": {"users": users, "items": items, "positions": positions(options.split)},
        "settings": {n: getattr(options, n) for n in (*names, "batch", "softmax_batches")},
        "contestants": rows, "times_faster": {},
    }  # fmt: skip
    for loss in ("softmax", "bce"):
        peers = {n: rows[n] for n in rows if n.endswith(loss) and not n.startswith("ours")}
        if peers and (ours := rows.get(f"ours-{loss}")):
            fastest = min(peers, key=lambda n: peers[n]["seconds_per_epoch"]["median"])
            result["times_faster"][loss] = {"peer": fastest} | times_faster(ours, peers[fastest])
    save(options.name, result)


if __name__ == "__main__":
    main()
