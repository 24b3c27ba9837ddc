"""Backbones: settings of all recommenders, and of all that are trained."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ptebench.config.base import Above, Positive, Settings

SELECTION = r"^(Recall|NDCG|MRR)@[1-9]\d*$"


class Backbone(Settings):
    """The recommender."""

    needs_users: ClassVar[bool] = False
    """It has vectors of its own only for users with training events."""
    reads_profiles: ClassVar[bool] = False
    """It reads the profile of a user beside the history."""
    counter: ClassVar[bool] = True
    """It trains nothing here, so that neither representation nor seed matters; one that does is `Trained`."""
    only_with: ClassVar[tuple[str, str] | None] = None
    """A kind of representation, and why no other."""


class Trained(Backbone):
    """Settings of all backbones that are trained by gradient descent."""

    counter: ClassVar[bool] = False
    dimension: Positive = 64
    """Length of the vectors of items and users."""
    batch_size: Positive = 256
    """Histories of a step, by their mean number of positions; of a backbone on pairs, pairs."""
    learning_rate: Above = 1e-3
    """Rate of AdamW."""
    schedule: Literal["constant", "linear"] = "constant"
    """Course of the rate over epochs: it stays, or falls to nothing after the last."""
    weight_decay: float = Field(0.0, ge=0)
    """Decay of matrices by AdamW; biases and gains have none, as a shrunk item bias would unlearn popularity."""
    beta2: float = Field(0.98, gt=0, lt=1)
    """Memory of AdamW's second moment; rows of users and items that few batches touch want it longer."""
    init_std: float = Field(0.02, gt=0)
    """Standard deviation of free vectors at the start."""
    epochs: Positive = 100
    """Passes over the training data, at most."""
    patience: Positive = 10
    """Validations without a better value before training stops."""
    validate_every: Positive = 1
    """Epochs from one validation to the next; the last epoch has one too."""
    selection: str = Field("NDCG@10", pattern=SELECTION)
    """Metric of the validation events whose best epoch is kept."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it trains and ranks; auto: a GPU where torch sees one."""
    compile: bool = False
    """The loss by torch.compile; a minute or more at first, which small models never earn back."""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        heads = getattr(self, "heads", 1)
        if self.dimension % heads:
            raise ValueError(
                f"dimension: {self.dimension} is no multiple of heads, {heads}; expected a dimension that is a "
                "multiple of heads"
            )
        return self
