"""LightGCN, GRU4Rec and BERT4Rec: seconds per epoch against RecBole's, in one run, turn by turn, on the same data.

    PYTHONPATH=. .venv/bin/python benchmarks/recbole.py results/splits/beauty/leave_one_out

RecBole is installed into an environment of its own below results/benchmarks/envs (benchmarks/envs/recbole.txt). The
turns are those of benchmarks/peers.py. Both have the same width, length, layers, heads, dropout and threads, softmax
over all items (LightGCN: BPR), and the same training events. An epoch is once over a library's training rows, and these
differ: one row per history here, one per beginning of a history in RecBole. So GRU4Rec, of which every position is a
target once in either, and LightGCN, on pairs, do the same work in an epoch; RecBole's BERT4Rec masks a fifth of every
beginning, so that its epoch has several times the targets, and CPU seconds are given per 1,000 rows as well.
"""

import argparse
import sys
from pathlib import Path

from measure import machine, save
from peers import Contestant, compete, environment, positions, times_faster, write_data

from ptebench.recommenders.split import read_sizes


def models(options) -> dict:
    """Return by name our settings, RecBole's, and the batch of either."""
    histories = {"max_length": options.length, "dropout": options.dropout, "loss": "cross_entropy"}
    blocks = {"blocks": options.blocks, "heads": options.heads}
    attention = {
        "n_layers": options.blocks, "n_heads": options.heads, "hidden_size": options.width,
        "inner_size": 4 * options.width, "hidden_dropout_prob": options.dropout,
        "attn_dropout_prob": options.dropout, "mask_ratio": 0.2,
    }  # fmt: skip
    recurrent = {"embedding_size": options.width, "hidden_size": 128, "num_layers": 1, "dropout_prob": options.dropout}
    users_and_rows = {"ours": 256, "recbole": 2048}  # RecBole counts positions, ours users
    return {
        "lightgcn": (
            {"layers": 2},
            {"model": "LightGCN", "embedding_size": options.width, "n_layers": 2},
            {"ours": 2048, "recbole": 2048},
        ),
        "gru4rec": ({**histories, "hidden": 128, "layers": 1}, {"model": "GRU4Rec", **recurrent}, users_and_rows),
        "bert4rec": ({**histories, **blocks, "mask": 0.2}, {"model": "BERT4Rec", **attention}, users_and_rows),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", type=Path, help="folder of a leave-one-out split")
    parser.add_argument("--models", nargs="+", default=["lightgcn", "gru4rec", "bert4rec"])
    parser.add_argument("--epochs", type=int, default=5, help="turns of each")
    parser.add_argument("--peer-batches", type=int, default=2, help="of a turn of RecBole with softmax; 0: an epoch")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--length", type=int, default=50)
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks"))
    parser.add_argument("--name", default="recbole", help="of the result file")
    options = parser.parse_args()
    load = machine(options.threads, options.device)

    scratch = options.scratch.resolve()
    data = write_data(options.split, scratch / "data" / "recbole", options.length)
    users, items = read_sizes(options.split / "vocabulary.parquet")
    pythons = {"ours": sys.executable, "recbole": environment("recbole", scratch / "envs")}
    names = ("width", "length", "blocks", "heads", "dropout", "threads", "device", "seed", "epochs")
    shared = {name: getattr(options, name) for name in names} | data
    shared |= {"items": items, "split": str(options.split.resolve()), "scratch": str(scratch)}
    known, rows, faster = models(options), {}, {}
    for model in options.models:
        ours, peer, batch = known[model]
        contestants = []
        for library, python in pythons.items():
            name = f"{library}-{model}"
            partly = library == "recbole" and model != "lightgcn"
            own = {
                "loss": "bpr" if model == "lightgcn" else "softmax", "batch": batch[library],
                "batches": options.peer_batches if partly else 0, "turns": options.epochs,
                "backbone": {"kind": model, **ours}, "recbole": peer, "vectors": str(scratch / f"{name}.npz"),
            }  # fmt: skip
            contestants.append(Contestant(name, python, shared | own))
        rows |= compete(contestants, options.epochs, options.split, items)
        for library in pythons:
            row = rows[f"{library}-{model}"]
            row["cpu_seconds_per_1000_rows"] = round(
                1000 * row["cpu_seconds_per_epoch"]["median"] / row["rows_per_epoch"], 4
            )
        faster[model] = times_faster(rows[f"ours-{model}"], rows[f"recbole-{model}"])
    result = {
        "benchmark": "LightGCN, GRU4Rec and BERT4Rec, seconds per training epoch", "machine": load,
        "data": {"users": users, "items": items, "positions": positions(options.split)},
        "settings": {n: getattr(options, n) for n in (*names, "peer_batches")},
        "contestants": rows, "times_faster": faster,
    }  # fmt: skip
    save(options.name, result)


if __name__ == "__main__":
    main()
