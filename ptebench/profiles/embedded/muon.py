"""Muon: a step along the nearest orthogonal matrix of the momentum (Jordan et al., 2024)."""

import torch

from ptebench.hardware import gemm_precision

COEFFICIENTS = 3.4445, -4.7750, 2.0315  # of the quintic iteration
ITERATIONS = 5


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Return U V^T, nearly, of a matrix U S V^T (n, m), by Newton and Schulz's iteration."""
    a, b, c = COEFFICIENTS
    x = matrix.to(gemm_precision(matrix.device.type))
    x = x.T if len(x) > x.shape[1] else x
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if len(matrix) > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    """For matrices, with Nesterov's momentum and steps as long as AdamW's.

    torch has one too, which iterates in bfloat16 on every hardware.
    """

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.1):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        """Make one step."""
        for group in self.param_groups:
            for weights in group["params"]:
                if "momentum" not in self.state[weights]:
                    self.state[weights]["momentum"] = torch.zeros_like(weights)
                moved = self.state[weights]["momentum"]
                moved.lerp_(weights.grad, 1 - group["momentum"])
                step = orthogonal(weights.grad.lerp(moved, group["momentum"])).to(weights.dtype)
                weights.mul_(1 - group["lr"] * group["weight_decay"])
                weights.add_(step, alpha=-group["lr"] * 0.2 * max(weights.shape) ** 0.5)
