"""What an optimizer sees: the cost of a batch of hypotheses, and a local quadratic model of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from SphericalRegLib.optimization.state import State

#: Of each part of the cost (a view, say) one tensor, whose first dimension counts the hypotheses.
Weights = tuple[Tensor, ...]


@dataclass(frozen=True)
class Linearization:
    """The cost of B hypotheses and its model c(x) ≈ cost + gᵀx + ½ xᵀHx in a step x of the P parameters.

    Attributes:
        cost: (B,) float64.
        gradient: (B, P) float64.
        curvature: (B, P, P) float64, positive semidefinite; None where the problem has none.
        memory: whatever the problem needs to renew weights without computing everything again; its own affair.
    """

    cost: Tensor
    gradient: Tensor
    curvature: Tensor | None
    memory: Any = field(repr=False, default=None)


class Problem(Protocol):
    """A cost over states."""

    def linearize(self, state: State, weights: Weights | None = None, jacobian: bool = True) -> Linearization:
        """Cost and model at a state; ``None`` takes fresh, non-robust weights. Without Jacobian: cost only."""
        ...

    def renew(self, at: Linearization) -> tuple[Linearization, Weights]:
        """The same state under robust weights computed from its own residuals, and these weights."""
        ...


@dataclass(frozen=True)
class Step:
    """An optimizer's hypotheses after an iteration.

    Attributes:
        state: the best so far (or the last ones, where the optimizer does not keep its best).
        cost: (B,).
        damping: (B,), or step size for optimizers without damping.
        iteration: counts from 1; 0 is the start.
        done: (B,) bool, come to rest.
        weights: under which ``cost`` holds; None for the problem's own.
    """

    state: State
    cost: Tensor
    damping: Tensor
    iteration: int
    done: Tensor
    weights: Weights | None = field(repr=False, default=None)

    @property
    def poses(self) -> Tensor:
        """(B, 4, 4): the values of the first block, for states that begin with a pose."""
        return self.state.values[0]


class Optimizer(Protocol):
    """Improves a batch of hypotheses, one :class:`Step` at a time; a caller may stop at any step."""

    @property
    def iterations(self) -> int:
        """At most so many."""
        ...

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate from a state; the first step is the start itself."""
        ...


def pick(weights: Weights | None, indices: Tensor) -> Weights | None:
    """The weights of some of the hypotheses, by index."""
    return None if weights is None else tuple(weight[indices] for weight in weights)
