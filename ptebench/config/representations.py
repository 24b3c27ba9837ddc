"""Representations: how item and user vectors enter a recommender."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.base import Above, Count, Positive, Settings, Share, Shrinkage
from ptebench.config.readers import UserReader


class Representation(Settings):
    """How item and user vectors enter a recommender."""

    cold_users: ClassVar[bool] = False
    """It has vectors of users by their profiles, and so of those too who never trained."""
    pairs_alone: ClassVar[str | None] = None
    """Why it is of use only to a backbone that has vectors of users."""
    causal_alone: ClassVar[str | None] = None
    """Why it is of use only to a backbone that reads a history in order."""
    only_with: ClassVar[tuple[str, str] | None] = None
    """A kind of backbone, and why no other."""

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """Return why it cannot go with a backbone of a dimension, None where it can; width: the encoder's."""
        return None


class Id(Representation):
    """Free vectors per id."""

    kind: Literal["id"]


class Jepa(Representation):
    """Free vectors that learn by predicting hidden parts of a history in latent space (ours, after I-JEPA)."""

    causal_alone: ClassVar[str | None] = "learns beside the loss of a history's next item, which {} does not have"
    kind: Literal["jepa"]
    weight: float = Field(0.1, ge=0)
    """Weight of the prediction beside the backbone's loss."""
    blocks: Positive = 4
    """Hidden blocks of a history, at most; the last item is one."""
    max_length: int = Field(50, ge=2)
    """Most recent training items of a history that are read."""
    layers: Positive = 2
    """Layers of the encoder, and of the predictor."""
    heads: Positive = 2
    """Attention heads of a layer."""
    momentum: Share = 0.996
    """Share of its weights that the target encoder keeps at a step; the rest follows the encoder."""

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if dimension % (twice := 2 * self.heads):
            return f"the backbone's dimension, {dimension}, is no multiple of {twice}, twice its heads; change one"
        return None


class Text(Representation, UserReader):
    """What every representation that reads text shares."""

    cold_users: ClassVar[bool] = True
    aligned_rate: ClassVar[float] = 1.0
    """Its `rate` over the vectors of an embedding, where none is given."""
    rate: Above | None = None
    """Its learning rate over the backbone's; null: 1, of `pte` over vectors that training pairs have aligned 0.3."""


class Frozen(Text):
    """The text vectors as they are, for `tiger`, which makes semantic ids of them."""

    only_with: ClassVar[tuple[str, str] | None] = (
        "tiger", "has the encoder's width and learns nothing, which {} cannot compare with its states",
    )  # fmt: skip
    kind: Literal["frozen"]


class Whitenrec(Text):
    """Whitened text vectors through an MLP (Zhang et al., ICDE 2024)."""

    kind: Literal["whitenrec"]
    whitening: Literal["zca", "pca"] = "zca"
    """Axes of the whitened text: the text's own, or its principal components."""
    groups: Positive = 1
    """Groups of coordinates, each whitened by itself: the more, the less is whitened."""
    ensemble: bool = False
    """WhitenRec+: beside the groups the text whitened as a whole, through the same MLP, summed."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""
    dropout: Share = 0.2
    """Dropout of the MLP's hidden layer."""

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if width is not None and self.groups > width:
            return f"groups: {self.groups} is more than the {width} coordinates of the text; lower it"
        return None

    @model_validator(mode="after")
    def _two_whitenings(self) -> Self:
        if self.ensemble and self.groups == 1:
            raise ValueError("expected groups: 2 or more beside ensemble, such as 4: one group is the whole text again")
        return self


class Morec(Text):
    """One linear layer over the text (Yuan et al., SIGIR 2023)."""

    kind: Literal["morec"]


class Unisrec(Text):
    """A mixture of experts over the text (Hou et al., KDD 2022)."""

    kind: Literal["unisrec"]
    experts: Positive = 8
    """Linear layers that are mixed."""
    dropout: Share = 0.2
    """Dropout of the text."""


class Llminit(Text):
    """Free vectors per id that start from the text (Harte et al., RecSys 2023; Zhang et al., 2025)."""

    kind: Literal["llminit"]
    mode: Literal["pca_white", "pca", "random", "even", "variance"] = "pca_white"
    """What vectors start from: principal components of the text, whitened or not, or its coordinates, at random,
    evenly spaced or of highest variance."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""


class Alphafuse(Text):
    """Free vectors in the directions where the text says little (Hu et al., SIGIR 2025)."""

    kind: Literal["alphafuse"]
    free: Share = 0.5
    """Share of the dimensions that are free as well, those where the text varies least."""
    start: Literal["zeros", "normal"] = "zeros"
    """What free vectors start from."""
    gate: Count = 0
    """Training events at which a free vector has half its weight; 0: all have the whole."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if width is not None and dimension > width:
            return f"the backbone's dimension, {dimension}, is more than the {width} components of the text; lower it"
        return None


class Alpharec(Text):
    """An MLP over the text of items, and over the mean text of a user's items (Sheng et al., ICLR 2025)."""

    kind: Literal["alpharec"]


class Llmesr(Text):
    """Two views of a history, and users taught by users like them (Liu et al., NeurIPS 2024)."""

    causal_alone: ClassVar[str | None] = (
        "teaches users by their states at the end of a history, which {} does not compute"
    )
    kind: Literal["llmesr"]
    heads: Positive = 2
    """Heads of the cross-attention between the views."""
    similar: Positive = 10
    """Similar users whose states a user's state is drawn to, nearest by the mean text of their histories."""
    weight: float = Field(0.1, ge=0)
    """Weight of the distance to their mean state beside the backbone's loss."""

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if dimension % self.heads:
            return f"the backbone's dimension, {dimension}, is no multiple of its heads, {self.heads}; change one"
        return None


class ReclmText(Text):
    """RecLM's perceptrons over the card and, where `text` names profiles, over these as well (Jiang et al., 2024)."""

    pairs_alone: ClassVar[str | None] = "has vectors of users of its own, which {} does not read"
    kind: Literal["reclm"]
    card: Literal[True] = True
    """Beside a profile's encoding also that of the card; always, as in RecLM."""
    users: Literal[True] = True
    """Beside profiles of items also those of users; always, as in RecLM."""


class Adapter(Text):
    """Frozen text vectors through a task-aligned adapter."""

    components: Positive = 256
    """Principal components of the text that the adapter reads, at most."""
    shrinkage: Shrinkage = None
    """What is added to the covariance's eigenvalues, in units of their mean; null: those of items left out instead."""
    dropout: Share = 0.1
    """Dropout of the adapter's hidden layer."""


class Pte(Adapter):
    """Frozen encoder of profiles and a task-aligned adapter, for items and users."""

    aligned_rate: ClassVar[float] = 0.3
    kind: Literal["pte"]
    text: str = "embedded.grpo"
    """What it reads, as any representation of text; by default what GRPO has taught the language model `embedded`."""


class Card(Adapter):
    """The cards of items alone through PtE's adapter: what text gives without a language model."""

    kind: Literal["card"]
    text: Literal["card"] = "card"
    """What it reads; cards, which the name says."""


class Rlmrec(Text):
    """What both forms of RLMRec share."""

    cold_users: ClassVar[bool] = False
    weight: float = Field(0.01, ge=0)
    """Weight of the tie to the text beside the backbone's loss."""
    temperature: float = Field(0.2, gt=0)
    """Divisor of the cosines."""
    others: Positive = 1000
    """Random items, beside the batch's, whose texts are negatives."""


class RlmrecCon(Rlmrec):
    """Free vectors aligned with the text's by a contrastive loss (Ren et al., WWW 2024)."""

    kind: Literal["rlmrec_con"]


class RlmrecGen(Rlmrec):
    """Free vectors from which the text can be reconstructed (Ren et al., WWW 2024)."""

    kind: Literal["rlmrec_gen"]
    mask: Share = 0.15
    """Share of a vector's coordinates that is hidden, of a backbone on pairs."""
