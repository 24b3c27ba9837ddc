"""The top layers of a text encoder, which learn by LoRA."""

from contextlib import ExitStack

import torch
from torch import nn

from ptebench.recommenders.controls import control_texts


class Lora(nn.Module):
    """What is added to a linear layer: of low rank, zeros at the start."""

    def __init__(self, layer: nn.Linear, rank: int):
        super().__init__()
        self.down = nn.Linear(layer.in_features, rank, bias=False)
        self.up = nn.Linear(rank, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        """(..., in) -> (..., out)."""
        return self.up(self.down(x))


class TopLayers(nn.Module):
    """LoRA of every linear layer above `lower`, which is no part of the state.

    lower: as of ptebench/embeddings/lower_layers.py. control: whose texts stand in the place of whose, by side.
    """

    def __init__(self, lower, rank: int, control: dict):
        super().__init__()
        self.lower, self.lora = lower, nn.ModuleList(Lora(layer, rank) for layer in lower.linear)
        self.rows = {name: rows[:, 0] for name, rows in control_texts(lower.rows, control).items()}

    def forward(self, name: str, ids=None) -> torch.Tensor:
        """Return vectors (n + 1, d) of the texts of a name, or those of `ids`, of unit length; no text has zeros."""
        rows = self.rows[name] if ids is None else self.rows[name][ids]
        distinct, place = rows[rows > 0].unique(return_inverse=True)
        with ExitStack() as hooks:
            for layer, lora in zip(self.lower.linear, self.lora, strict=True):
                hooks.enter_context(layer.register_forward_hook(lambda _, read, out, lora=lora: out + lora(read[0])))
            vectors = self.lower.vectors(distinct)
        return vectors.new_zeros(len(rows), vectors.shape[1]).index_copy(0, (rows > 0).nonzero()[:, 0], vectors[place])
