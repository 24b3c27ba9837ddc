"""Embeddings: vectors that are learned from texts and training pairs before any recommender."""

from pydantic import Field

from ptebench.config.base import Above, Count, Positive, Seed, Settings, Share, Shrinkage
from ptebench.config.readers import UserReader


class Align(Settings):
    """How texts are aligned with training pairs: what comes next is told from other items, and the other way round."""

    dimension: Positive = 128
    """Length of the vector of each role of an item, what comes before and what comes next; both make its vector."""
    components: Positive = 256
    """Principal components of the text that are read, at most."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""
    dropout: Share = 0.2
    """Dropout of the adapters' hidden layers."""
    encoder_layers: Count = 0
    """Top layers of the encoder that learn as well, by LoRA; 0: none, the encoder is frozen."""
    rank: Positive = 8
    """Rank of their LoRA."""
    encoded: Positive = 256
    """Texts of a step, at most, that are encoded with gradients; all are encoded anew after each epoch."""
    window: Positive = 3
    """Places of a history, at most, from an item to the next ones that it is paired with."""
    temperature: Above = 0.07
    """Divisor of the cosines."""
    others: Count = 1024
    """Training items at random, beside the batch's, that the next item is told from."""
    relation: float = Field(0.1, ge=0)
    """Weight of the distance between the items' cosines and those of collaborative vectors."""
    uniformity: float = Field(0.01, ge=0)
    """Weight of the items' closeness on the sphere."""
    batch_size: Positive = 1024
    """Pairs of a step."""
    learning_rate: Above = 1e-3
    """Rate of AdamW."""
    weight_decay: float = Field(0.01, ge=0)
    """Decay of matrices by AdamW, towards the text as it is."""
    epochs: Positive = 20
    """Passes over the pairs, at most."""
    patience: Positive = 3
    """Validations, one an epoch, without a better NDCG@10 before it stops."""


class Embedding(UserReader):
    """Vectors of items, and of users where there are profiles of them, learned from a text and training pairs alone."""

    seed: Seed = 0
    """Seed of the learning, whatever the seeds of the cells that read the vectors."""
    align: Align = Align()
    """How the text is aligned."""

    @property
    def width(self) -> int:
        """The coordinates of an item's vector."""
        return 2 * self.align.dimension
