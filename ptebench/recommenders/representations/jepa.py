"""JEPA: free vectors trained by predicting an encoder's states at hidden positions of a history.

Ours, in no paper: the objective of I-JEPA (Assran et al., CVPR 2023) with the items of a history for the patches of an
image. The recommender's own loss keeps the vectors apart, and only the encoders are this objective's own.
"""

from copy import deepcopy

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.files import InputError
from ptebench.recommenders.representation import Free

SHORTEST, LONGEST = 0.1, 0.2  # shares of a history that a hidden block takes
COLLAPSED = 0.1  # standard deviation of a coordinate over the states of a batch, below which it is pushed up to 1


def target_blocks(lengths: torch.Tensor, width: int, number: int) -> torch.Tensor:
    """Return (B, width), which positions of histories of `lengths` (B,), all at least 2, are to be predicted.

    The last item always is; up to `number` - 1 further blocks of a share of the history, at least one item long, lie
    anywhere but on the first item, so that some context is left.
    """
    lengths, shape, device = lengths[:, None], (len(lengths), number), lengths.device
    share = SHORTEST + (LONGEST - SHORTEST) * torch.rand(shape, device=device)
    size = (share * lengths).round().long().clamp_min(1)
    start = 1 + (torch.rand(shape, device=device) * (lengths - size)).long()
    size[:, :1], start[:, :1] = 1, lengths - 1
    in_use = torch.arange(number, device=device) < torch.randint(1, number + 1, (len(lengths), 1), device=device)
    position = torch.arange(width, device=device)
    inside = (position >= start[..., None]) & (position < (start + size)[..., None]) & in_use[..., None]
    return inside.any(1) & (position < lengths)


def collapse(states: torch.Tensor) -> torch.Tensor:
    """Return how far the collapsed coordinates of `states` (n, d) are from unit deviation, the mean over all d.

    The variance term of VICReg (Bardes et al., ICLR 2022), of what has collapsed alone.
    """
    deviation = (states.var(0, correction=0) + 1e-4).sqrt()
    return torch.where(deviation < COLLAPSED, 1 - deviation, 0.0).mean()


class Encoder(nn.Module):
    """Attention in both directions over vectors with positions, the last layer's output normed."""

    def __init__(self, dimension: int, length: int, layers: int, heads: int):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(length, dimension) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                dimension, heads, 4 * dimension, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dimension)

    def forward(self, x, visible):
        """(B, L, d) -> (B, L, d); no position attends to those where `visible` (B, L) is False."""
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~visible)
        return self.norm(x)


class Predictor(nn.Module):
    """Predicts the target encoder's states at hidden positions from the context's states, at half the width."""

    def __init__(self, dimension: int, length: int, layers: int, heads: int):
        super().__init__()
        half = dimension // 2
        self.mask = nn.Parameter(torch.randn(half) * 0.02)
        self.inward, self.outward = nn.Linear(dimension, half), nn.Linear(half, dimension)
        self.encoder = Encoder(half, length, layers, heads)

    def forward(self, states, context, hidden):
        """Return (B, L, d) of states (B, L, d); `context` and `hidden` (B, L) are disjoint, the rest is padding."""
        inputs = torch.where(hidden[..., None], self.mask, self.inward(states))
        return self.outward(self.encoder(inputs, context | hidden))


class Representation(Free):
    """Free vectors; in training also a context encoder, a slow copy of it (the target encoder) and a predictor.

    The target encoder reads whole histories and gets no gradient: its weights are an exponential moving average of the
    context encoder's. The momentum is constant, because early stopping decides how long a schedule would be. All
    hidden positions of a history are predicted at once.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__(catalogue)
        d, heads, length = catalogue.dimension, settings["heads"], settings["max_length"]
        if d % (2 * heads):
            raise InputError(
                f"backbones.*.dimension: {d} is no multiple of {2 * heads}, twice representations.*.heads; change one"
            )
        self.settings = settings
        self.context = Encoder(d, length, settings["layers"], heads)
        self.target = deepcopy(self.context).requires_grad_(False)
        self.predictor = Predictor(d, length, settings["layers"], heads)

    def observe(self, train) -> None:
        """Take the training histories."""
        self.histories = train.histories
        self.row = torch.zeros(int(train.users.max()) + 1, dtype=torch.long, device=train.users.device)
        self.row[train.users] = torch.arange(len(train.users), device=train.users.device)

    @torch.no_grad()
    def follow(self) -> None:
        """Move the target encoder towards the context encoder by 1 - momentum of the distance."""
        for slow, fast in zip(self.target.parameters(), self.context.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.settings["momentum"])

    def history_loss(self, users, states):
        """Return weight * (the smooth L1 distance to the normed targets + the collapse of the context's states)."""
        settings = self.settings
        histories = self.histories.padded(self.row[users], settings["max_length"])
        present = histories > 0
        hidden = target_blocks(present.sum(1), present.shape[1], settings["blocks"])
        vectors = F.embedding(histories, self.item_vectors()) * self.items.embedding_dim**0.5
        self.follow()  # before a step stands for after the one before, which has no hook
        with torch.no_grad():
            goal = self.target(vectors, present)[hidden]
        context = present & ~hidden
        states_of_context = self.context(vectors, context)
        prediction = self.predictor(states_of_context, context, hidden)[hidden]
        return settings["weight"] * (
            F.smooth_l1_loss(prediction, F.layer_norm(goal, goal.shape[1:])) + collapse(states_of_context[context])
        )
