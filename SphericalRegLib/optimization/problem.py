"""What an optimizer sees: a batch of poses, their cost, and a local quadratic model of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3


@dataclass(frozen=True)
class Linearization:
    """The cost of B poses and its Gauss-Newton model c(x) ≈ cost + 2 gᵀx + xᵀHx in a twist x of each pose.

    Attributes:
        cost: (B,) float64.
        gradient: (B, 6) float64.
        hessian: (B, 6, 6) float64.
        memory: whatever the problem needs to renew weights without rendering again; opaque to optimizers.
    """

    cost: Tensor
    gradient: Tensor
    hessian: Tensor
    memory: Any = field(repr=False, default=None)


class Problem(Protocol):
    """A least-squares cost over poses. ``weights`` is opaque to optimizers, one per pose, selected by :meth:`pick`."""

    @property
    def center(self) -> Tensor:
        """(3,) world mm: twists are about this point (``se3.about``)."""
        ...

    @property
    def length(self) -> float:
        """mm: one radian of rotation counts as a translation by this length (roughly the anatomy's radius)."""
        ...

    def linearize(self, poses: Tensor, weights: Any | None = None, jacobian: bool = True) -> Linearization:
        """Cost and model at poses (B, 4, 4); ``None`` takes fresh, non-robust weights. Without Jacobian: cost only."""
        ...

    def renew(self, at: Linearization) -> tuple[Linearization, Any]:
        """The same poses under robust weights computed from their own residuals, and these weights."""
        ...

    def pick(self, weights: Any, indices: Tensor) -> Any:
        """The weights of some of the poses."""
        ...


@dataclass(frozen=True)
class Step:
    """The state of an optimizer after an iteration.

    Attributes:
        poses: (B, 4, 4) best so far.
        cost: (B,).
        damping: (B,), or step size for optimizers without damping.
        iteration: counts from 1; 0 is the start.
        done: (B,) bool, converged.
        weights: the problem's weights at ``poses``.
    """

    poses: Tensor
    cost: Tensor
    damping: Tensor
    iteration: int
    done: Tensor
    weights: Any = field(repr=False, default=None)


class Optimizer(Protocol):
    """Improves a batch of poses, one :class:`Step` at a time; a caller may stop at any step."""

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate from poses (B, 4, 4) float64."""
        ...


def moved(problem: Problem, poses: Tensor, twists: Tensor) -> Tensor:
    """Poses (B, 4, 4) moved by twists (B, 6) about the problem's center."""
    return se3.about(twists, poses, problem.center)


def step_length(twists: Tensor, length: float) -> Tensor:
    """(B,) size of twists in mm, rotations counted at ``length`` mm from the axis."""
    return torch.sqrt((length * twists[:, :3]).square().sum(-1) + twists[:, 3:].square().sum(-1))
