"""The curvature of a cost that has no model of its own, from differences of its gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from SphericalRegLib.optimization.problem import Problem, Weights
from SphericalRegLib.optimization.state import State


def numerical_curvature(problem: Problem, state: State, weights: Weights | None = None, mm: float = 0.05) -> Tensor:
    """(P, P) second derivative of the cost at one hypothesis, by central differences; symmetric.

    Args:
        problem: whose gradient is exact.
        state: of a single hypothesis.
        weights: of the cost, held fixed.
        mm: length of the differences' steps: long enough to bridge the kinks of trilinear interpolation.
    """
    scale = state.scale
    steps = torch.diag(mm / scale)
    count = 2 * len(steps)
    around = state.select(torch.zeros(count, dtype=torch.long)).retract(torch.cat([steps, -steps]))
    shared = None if weights is None else tuple(part.expand(count, *part.shape[1:]) for part in weights)
    ahead, behind = problem.linearize(around, shared).gradient.chunk(2)
    curvature = (ahead - behind) * (scale / (2 * mm))[:, None]
    return (curvature + curvature.T) / 2
