"""Readers: the text that is read, and controls in its place."""

from typing import Literal, Self

from pydantic import model_validator

from ptebench.config.base import Name, Settings

Placebo = Literal["shuffled", "one", "random"]


class Control(Settings):
    """Vectors that replace the true ones, with the same width: another owner's, one owner's for all, or noise."""

    item: Placebo | None = None
    """Control of the items' vectors, profile and card alike; null: the true ones."""
    user: Placebo | None = None
    """Control of the users' vectors; null: the true ones."""


class Reader(Settings):
    """The text that a representation, a counter or an embedding reads."""

    text: str = "card"
    """What it reads: `card`, `template`, a language model at an endpoint, LANGUAGE_MODEL.WRITER with writer `kd`, `sft`
    or `grpo`; a name under `texts`, or the vectors of a name under `embeddings`, which has keys of its own for them."""
    card: bool = True
    """Beside a profile's encoding also that of the card."""
    encoder: Name = "minilm"
    """Encoder of the text; a name under `encoders`."""
    control: Control = Control()
    """Vectors in place of the true ones, a control that text is of use."""


class UserReader(Reader):
    """A reader of profiles of users too."""

    users: bool = True
    """Beside profiles of items also those of users, on backbones that read them: all on pairs, `sasrec`, `dreamrec`."""
    items: bool = True
    """Profiles of items; false: their cards in place of them, beside the profiles of users."""

    @property
    def reads_users(self) -> bool:
        """Return whether there may be profiles of users to read."""
        return self.users and self.text != "card"

    @model_validator(mode="after")
    def _somebody_to_read(self) -> Self:
        if not self.items and not self.reads_users:
            raise ValueError(
                "items: false where no profiles of users are read either; read 'text: card', or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _somebody_to_control(self) -> Self:
        if self.control.user and not self.reads_users:
            raise ValueError("control.user: no profiles of users are read; name them in 'text', or leave it out")
        return self
