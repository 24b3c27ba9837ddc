"""Backbones on pairs of user and item: factorisations, and convolutions on the graph of all pairs."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.backbones import SELECTION, Trained
from ptebench.config.base import Positive, Share


class Pairs(Trained):
    """What backbones trained on user-item pairs share."""

    needs_users: ClassVar[bool] = True
    batch_size: Positive = 2048
    """Pairs of a step."""
    draw: Literal["pairs", "users"] = "pairs"
    """Pairs of an epoch: each training pair once, or as many random users, each with one of the user's items."""


class FreeUsers(Pairs):
    """What backbones with free vectors of users share."""

    free_users: bool = True
    """Users have free vectors beside those that a representation has; without: only where it has none."""
    user_gate: float = Field(0.0, ge=0)
    """Training events at which a free vector has half its weight beside a representation's; 0: always the whole."""


class Biasmf(FreeUsers):
    """Matrix factorisation with biases and BPR (Koren 2009, Rendle 2009)."""

    kind: Literal["biasmf"]
    item_bias: bool = True
    """Score items by a bias as well, from the log of their training counts; without: what others call MF-BPR."""
    l2: float = Field(0.0, ge=0)
    """Weight of the squares of a batch's vectors."""


class BiasmfReclm(Pairs):
    """What RecLM and PtE call BiasMF, with its defects, for comparison with their tables (Jiang et al., 2024)."""

    only_with: ClassVar[tuple[str, str] | None] = (
        "reclm", "has no vectors of users but those of its representation",
    )  # fmt: skip
    kind: Literal["biasmf_reclm"]
    dimension: Positive = 32
    """Length of the vectors of items and users; RecLM's."""
    batch_size: Positive = 4096
    """Pairs of a step; RecLM's."""
    epochs: Positive = 50
    """Passes over the training data; RecLM's."""
    patience: Positive = 50
    """Validations without a better value before training stops; all epochs, the best of which is taken."""
    selection: str = Field("Recall@20", pattern=SELECTION)
    """Metric of the validation events whose best epoch is kept; RecLM's, who takes it of the test."""
    penalty: float = Field(1e-7, ge=0)
    """Weight of the squares of all parameters."""


class Ncf(FreeUsers):
    """Matrix factorisation beside a perceptron (He et al., WWW 2017)."""

    kind: Literal["ncf"]
    layers: Positive = 3
    """Layers of the perceptron, each half as wide as the one before; `dimension` is a multiple of 2 ^ layers."""

    @model_validator(mode="after")
    def _halves(self) -> Self:
        if self.dimension % 2**self.layers:
            raise ValueError(f"dimension: {self.dimension} is no multiple of 2 ^ layers, {2**self.layers}; change one")
        return self


class Graph(FreeUsers):
    """What backbones on the graph of training interactions share."""

    layers: Positive = 2
    """Propagations along the graph, whose mean with layer 0 are the vectors."""
    propagate_items: bool = True
    """Propagate items as well as users; without: RecLM's scoring, which can rank items that have no edge."""


class Lightgcn(Graph):
    """Light graph convolution (He et al., SIGIR 2020)."""

    kind: Literal["lightgcn"]
    l2: float = Field(0.0, ge=0)
    """Weight of the squares of a batch's vectors of layer 0."""


class LightgcnInfonce(Graph):
    """LightGCN by InfoNCE of cosines; with the representation `alpharec`, AlphaRec (Sheng et al., ICLR 2025)."""

    kind: Literal["lightgcn_infonce"]
    free_users: bool = False
    """Users have free vectors beside those that a representation has; not here, as AlphaRec has none."""
    negatives: Positive = 256
    """Uniform negatives, shared by the batch."""
    temperature: float = Field(0.15, gt=0)
    """Divisor of the cosines."""


class GraphContrast(Graph):
    """Settings of all forms of LightGCN with a contrast of two views."""

    l2: float = Field(0.0, ge=0)
    """Weight of the squares of a batch's vectors of layer 0."""
    weight: float = Field(0.01, ge=0)
    """Weight of the contrast beside BPR."""
    temperature: float = Field(0.1, gt=0)
    """Divisor of the contrast's cosines."""


class Sgl(GraphContrast):
    """A contrast between two thinned graphs (Wu et al., SIGIR 2021)."""

    kind: Literal["sgl"]
    keep: Share = 0.5
    """Share of the edges that a thinned graph has."""


class Simgcl(GraphContrast):
    """A contrast between two noisy propagations (Yu et al., SIGIR 2022)."""

    kind: Literal["simgcl"]
    noise: float = Field(0.1, ge=0)
    """Length of the noise that is added to every layer's vectors."""
