"""UniSRec: a mixture of whitening experts over the text, no id (Hou et al., KDD 2022)."""

import torch
from torch import nn
from torch.nn.functional import softplus

from ptebench.recommenders.dropout import Dropout
from ptebench.recommenders.representation import Base, rows
from ptebench.recommenders.whitening import scaled


class Representation(Base):
    """Item vectors (n_items + 1, d) = sum_k g_k(x) W_k (drop(x) - b_k) / sqrt(d), g = softmax(x W_g + noise).

    Noise is added in training alone; x is at unit mean square, as in MoRec. The inductive form: the transductive one
    adds a free vector per id.
    """

    def __init__(self, settings: dict, catalogue):
        text, d, experts = catalogue.text["item"], catalogue.dimension, settings["experts"]
        super().__init__(text.any(1))
        width = text.shape[1]
        self.dropout = Dropout(settings["dropout"])
        self.register_buffer("text", scaled(text, catalogue.known_items), persistent=False)
        self.shift = nn.Parameter(torch.zeros(experts, width))
        self.expert = nn.Parameter(torch.randn(experts, width, d) * 0.02)
        self.gate = nn.Parameter(torch.zeros(width, experts))
        self.noise = nn.Parameter(torch.zeros(width, experts))
        self.scale = d**-0.5

    def item_vectors(self, items=None):
        """Return (n_items + 1, d), or the rows of `items`."""
        x = rows(self.text, items)
        logits = x @ self.gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (softplus(x @ self.noise) + 0.01)
        gates = logits.softmax(-1)
        # all experts in one product: one at a time is half as fast
        joined = self.expert.transpose(0, 1).flatten(1)
        mapped = (self.dropout(x) @ joined).unflatten(1, self.gate.shape[1:] + (-1,))
        vectors = (gates[:, None] @ mapped)[:, 0] - gates @ torch.einsum("kw,kwd->kd", self.shift, self.expert)
        return vectors * self.scale * rows(self.rankable[:, None], items)
