"""The layers of an adapter in training, each with its weights in one product."""

from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora import Linear


class Product(torch.autograd.Function):
    """Base weights and adapter summed before anything is rounded.

    In bfloat16 the sum of two rounded outputs is the first one alone as long as the second is small, and an adapter
    begins at nothing: its first steps would change nothing. states: (..., d), inner: (..., r), weights: (n, d) that
    do not learn, outer: (n, r), bias: (n,) or None.
    """

    @staticmethod
    def forward(ctx, states, inner, weights, outer, bias):
        ctx.save_for_backward(inner, weights, outer)
        return F.linear(torch.cat([states, inner], -1), torch.cat([weights, outer], 1), bias)

    @staticmethod
    def backward(ctx, *gradients):
        (gradient,) = gradients
        inner, weights, outer = ctx.saved_tensors
        learns = gradient.flatten(0, -2).T @ inner.flatten(0, -2)
        return gradient @ weights, gradient @ outer, None, learns, None


def _forward(layer: Any, states: torch.Tensor) -> torch.Tensor:
    base = layer.get_base_layer()
    kind = base.weight.dtype
    states = states.to(kind)
    with torch.autocast(states.device.type, enabled=False):
        if layer.disable_adapters:
            return F.linear(states, base.weight, base.bias)
        (name,) = layer.active_adapters  # GRPO keeps its reference as a second adapter
        first, second = (part[name].weight.to(kind) for part in (layer.lora_A, layer.lora_B))
        inner = F.linear(layer.lora_dropout[name](states), first) * layer.scaling[name]
        if torch.is_grad_enabled():
            return Product.apply(states, inner, base.weight, second, base.bias)
        # the same sum without a copy of the weights, which a token at a time would take as long as all else
        added = F.linear(inner, second, base.bias).flatten(0, -2)
        return torch.addmm(added, states.flatten(0, -2), base.weight.T).unflatten(0, states.shape[:-1])


@contextmanager
def one_product(model):
    """Have each linear layer with an adapter take one product meanwhile, where its weights are in bfloat16."""
    layers: list[Any] = [
        layer
        for layer in model.modules()
        if isinstance(layer, Linear)
        and type(base := layer.get_base_layer()) is torch.nn.Linear
        and base.weight.dtype == torch.bfloat16
    ]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
