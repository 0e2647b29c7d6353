"""An optimizer for matrices: the step is the momentum with all its directions made equally long.

A direction that only few samples ask for is then learnt as fast as one that all of them ask for.
"""

from collections.abc import Iterable
from typing import Any

import torch

MOMENTUM = 0.95
ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of a polynomial that brings every singular value near one when it is applied a few times."""


class Muon:
    """For weights of two dimensions, or of three, which are then so many matrices."""

    def __init__(self, weights: Iterable[torch.Tensor], *, lr: float, weight_decay: float = 0.01) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(weights), "lr": lr}]
        self.weight_decay = weight_decay
        self.momenta = [torch.zeros_like(each) for each in self.param_groups[0]["params"]]

    def step(self) -> None:
        with torch.no_grad():
            self._step()

    def _step(self) -> None:
        (group,) = self.param_groups
        for weights, momentum in zip(group["params"], self.momenta, strict=True):
            if weights.grad is None:
                continue
            momentum.lerp_(weights.grad, 1 - MOMENTUM)
            ahead = weights.grad.lerp(momentum, MOMENTUM)
            rows, columns = weights.shape[-2:]
            weights.mul_(1 - group["lr"] * self.weight_decay)
            weights.add_(orthogonal(ahead), alpha=-group["lr"] * max(1, rows / columns) ** 0.5)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Nearly the nearest matrices whose singular values are all one, by Newton-Schulz iteration."""
    first, second, third = COEFFICIENTS
    is_high = matrices.shape[-2] > matrices.shape[-1]
    turned = matrices.mT if is_high else matrices
    turned = turned / (turned.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ROUNDS):
        square = turned @ turned.mT
        turned = first * turned + (second * square + third * square @ square) @ turned
    return turned.mT if is_high else turned
