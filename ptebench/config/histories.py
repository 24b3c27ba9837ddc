"""Backbones on histories: they read a user's items in order; generative ones generate the next item's codes."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.backbones import Trained
from ptebench.config.base import Above, Count, Positive, Share

Norm = Literal["original", "pre", "post"]


class Profiled(Trained):
    """Settings of backbones that read a user's profile beside the history, where the representation's text has it."""

    reads_profiles: ClassVar[bool] = True
    profile: Literal["output", "prefix"] = "output"
    """Where the profile enters: in the state, weighed by a gate, or as a token before the first item."""
    absent: Share = 0.2
    """Chance of a profile to be left out, in training."""


class Dreamrec(Profiled):
    """Guided diffusion of the next item's vector (Yang et al., NeurIPS 2023)."""

    kind: Literal["dreamrec"]
    max_length: Positive = 50
    """Most recent items of a history that are read."""
    dropout: Share = 0.1
    """Dropout of the encoder's inputs and layers."""
    blocks: Positive = 2
    """Attention blocks of the encoder."""
    heads: Positive = 1
    """Attention heads of a block."""
    norm: Norm = "post"
    """Where a block has its layer norms, as of `sasrec`."""
    steps: int = Field(10, ge=2)
    """Steps of noise, from where the target is told from most others to where it is hidden."""
    first_signal: float = Field(4.0, ge=1)
    """Squared length of the target over the noise's in one direction, at the first step; 20 ranks worse (tuning.md)."""
    last_signal: float = Field(0.1, gt=0, lt=1)
    """The same at the last step; below 1 the target is hidden, and a softmax trains the item vectors."""
    reconstruction: float = Field(0.3, ge=0)
    """Weight of the loss at the steps that show something of the target."""
    unconditional: Share = 0.1
    """Share of the training positions that learn without a history, for guidance."""
    guidance: float = Field(0.0, ge=0)
    """Weight w of (1 + w) conditional - w unconditional prediction; 0: the conditional one alone."""
    samples: Count = 8
    """Samples of a history, whose mean ranks; 0: one pass from zeros, the head without diffusion."""
    eta: Share = 1.0
    """Share of fresh noise in sampling: 0 is DDIM, 1 as much as in DDPM."""

    @model_validator(mode="after")
    def _what_samples_is_trained(self) -> Self:
        if self.samples and not self.reconstruction:
            raise ValueError("samples: expected 0 beside reconstruction: 0, which trains none of their steps")
        if self.guidance and not self.unconditional:
            raise ValueError("guidance: expected 0 beside unconditional: 0, which trains no unconditional branch")
        return self


class Sequential(Trained):
    """Settings of all backbones that encode a history as one state and compare it with the items."""

    loss: Literal["cross_entropy", "bce", "gbce", "sampled_softmax"] = "cross_entropy"
    """Loss of the next item against all training items (`cross_entropy`), or against negatives."""
    negatives: Positive = 1024
    """Uniform negatives: of `sampled_softmax` shared by the batch, of `gbce` for every position."""
    calibration: Share = 0.75
    """Calibration t of `gbce`: 0 is `bce`, 1 makes scores calibrated probabilities."""
    max_length: Positive = 50
    """Most recent items of a history that are read."""
    dropout: Share = 0.3
    """Dropout of inputs and layers."""
    similarity: Literal["dot", "cosine"] = "dot"
    """How a state is compared with an item."""
    temperature: Above = 0.07
    """Divisor of `cosine`."""


class Sasrec(Sequential, Profiled):
    """Causal self-attention over the history (Kang & McAuley, ICDM 2018)."""

    kind: Literal["sasrec"]
    blocks: Positive = 2
    """Attention blocks."""
    heads: Positive = 1
    """Attention heads of a block."""
    norm: Norm = "post"
    """Where a block has its layer norms: before the residual's layers, after the sum, or as in the original code."""


class Gru4rec(Sequential):
    """A recurrent network over the history (Hidasi et al., ICLR 2016)."""

    kind: Literal["gru4rec"]
    hidden: Positive = 128
    """Width of the recurrent state."""
    layers: Positive = 1
    """Recurrent layers."""


class Hstu(Sequential):
    """Gated causal aggregation without softmax (Zhai et al., ICML 2024)."""

    kind: Literal["hstu"]
    blocks: Positive = 2
    """Gated layers."""
    heads: Positive = 1
    """Heads of a layer."""


class Bert4rec(Sequential):
    """Attention in both directions, trained to fill in masked items (Sun et al., CIKM 2019)."""

    kind: Literal["bert4rec"]
    blocks: Positive = 2
    """Attention blocks."""
    heads: Positive = 2
    """Attention heads of a block."""
    mask: Share = 0.2
    """Chance of an item of a training history to be masked."""


class Generative(Trained):
    """Settings of all backbones that generate the next item code by code."""

    dimension: Positive = 128
    """Width of the transformer, a multiple of `heads`."""
    max_length: Positive = 20
    """Most recent items of a history that are read, each of several codes."""
    dropout: Share = 0.1
    """Dropout of inputs and layers."""
    blocks: Positive = 2
    """Blocks of the encoder, and of the decoder."""
    heads: Positive = 4
    """Attention heads of a block."""
    codes: int = Field(256, ge=2)
    """Codes to choose from on each level."""
    beam: Count = 0
    """Nodes of a level that beam search keeps when it ranks, all other items tied last; 0: all, exact likelihoods."""


class Tiger(Generative):
    """The next item's semantic id, code by code (Rajput et al., NeurIPS 2023)."""

    only_with: ClassVar[tuple[str, str] | None] = ("frozen", "makes semantic ids of text vectors as they are")
    kind: Literal["tiger"]
    quantizer: Literal["kmeans", "rqvae"] = "kmeans"
    """How ids are made: residual k-means of the text, or of an autoencoder's latent vectors."""
    levels: Positive = 3
    """Codes of an id, before the one that tells items apart."""
    quantizer_steps: Positive = 5000
    """Training steps of `rqvae`."""


class P5(Generative):
    """The next item's index, made of training histories, code by code (Geng et al., RecSys 2022)."""

    only_with: ClassVar[tuple[str, str] | None] = ("id", "spells items by indices of its own and reads no vectors")
    kind: Literal["p5"]
    index: Literal["sequential", "collaborative", "random"] = "sequential"
    """How items are numbered: as they first appear in training histories, by clusters of users' choices, or at random,
    which is the control."""
    clusters: int = Field(20, ge=2)
    """Clusters of `collaborative`, into which items are parted, and each cluster again."""

    @model_validator(mode="after")
    def _codes_for_clusters(self) -> Self:
        if self.index == "collaborative" and self.codes <= 2 * self.clusters:
            raise ValueError("expected more than twice as many codes as clusters, to name those too that are cut")
        return self
