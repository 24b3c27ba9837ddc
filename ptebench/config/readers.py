"""Readers: the text that a representation or a counter reads, and controls in its place."""

from typing import Literal

from ptebench.config.base import Name, Settings

Placebo = Literal["shuffled", "one", "random"]


class Control(Settings):
    """Vectors in place of the true ones, of the same width: another owner's, one owner's for all, noise."""

    item: Placebo | None = None
    """Control of the items' vectors, profile and card alike; null: the true ones."""
    user: Placebo | None = None
    """Control of the users' vectors; null: the true ones."""


class Reader(Settings):
    """The text that a representation or a counter reads."""

    text: str = "card"
    """What it reads: `card`, `template`, a language model at an endpoint, or LANGUAGE_MODEL.WRITER with writer `kd`,
    `sft` or `grpo`."""
    card: bool = True
    """Beside a profile's encoding also that of the card."""
    encoder: Name = "minilm"
    """Encoder of the text; a name under `encoders`."""
    control: Control = Control()
    """Vectors in place of the true ones, a control that text is of use."""
