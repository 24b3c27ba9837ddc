"""UniSRec: a mixture of whitening experts over the text, no id (Hou et al., KDD 2022)."""

import torch
from torch import nn
from torch.nn.functional import softplus

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Towers, rows
from ptebench.recommenders.whitening import rescale


class Tower(nn.Module):
    """sum_k g_k(x) W_k (drop(x) - b_k) / sqrt(d), g = softmax(x W_g + noise).

    Noise is added in training alone; x is at unit mean square, as in MoRec.
    """

    text: torch.Tensor

    def __init__(self, settings: dict, text: torch.Tensor, train_ids: torch.Tensor, dimension: int):
        super().__init__()
        width, experts = text.shape[1], settings["experts"]
        self.dropout = Dropout(settings["dropout"])
        self.register_buffer("text", rescale(text, train_ids), persistent=False)
        self.shift = nn.Parameter(torch.zeros(experts, width))
        self.expert = nn.Parameter(torch.randn(experts, width, dimension) * 0.02)
        self.gate = nn.Parameter(torch.zeros(width, experts))
        self.noise = nn.Parameter(torch.zeros(width, experts))
        self.scale = dimension**-0.5

    def forward(self, ids=None):
        """Return (n + 1, d), or the rows of `ids`."""
        x = rows(self.text, ids)
        logits = x @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (softplus(x @ self.noise) + 0.01)
        gates = logits.softmax(-1)
        # all experts in one product: one at a time is half as fast
        all_experts = self.expert.transpose(0, 1).flatten(1)
        by_expert = (self.dropout(x) @ all_experts).unflatten(1, self.gate.shape[1:] + (-1,))
        vectors = (gates[:, None] @ by_expert)[:, 0] - gates @ torch.einsum("kw,kwd->kd", self.shift, self.expert)
        return vectors * self.scale


class Representation(Towers):
    """The inductive form: the transductive one adds a free vector per id."""

    tower = Tower
