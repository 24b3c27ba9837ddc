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
    first, second = (part["default"].weight.to(kind) for part in (layer.lora_A, layer.lora_B))
    states = states.to(kind)
    with torch.autocast(states.device.type, enabled=False):
        inner = F.linear(layer.lora_dropout["default"](states), first) * layer.scaling["default"]
        return Product.apply(states, inner, base.weight, second, base.bias)


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
