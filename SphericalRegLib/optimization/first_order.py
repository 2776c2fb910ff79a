"""First-order optimizers on a batch of hypotheses: gradient descent with momentum, and Adam.

Both work in millimeters: a rotation counts as the translation that it causes at the block's length, unless it has a
rate of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.optimization.loop import Evaluator, Memory, Options, Outcome, Point, iterate
from SphericalRegLib.optimization.problem import Problem, Step
from SphericalRegLib.optimization.state import State


@dataclass(frozen=True)
class _FirstOrder(Options):
    """What both have.

    Attributes:
        decay: factor on the learning rate at each iteration.
        patience: a hypothesis rests when its best cost has not improved for so many iterations,
        relative_tolerance: improved by at least this fraction, that is.
        longest_step: mm.
    """

    decay: float = 1.0
    patience: int = 30
    relative_tolerance: float = 1e-4
    longest_step: float = 60.0


@dataclass(frozen=True)
class SGD(_FirstOrder):
    """Gradient descent with momentum (Polyak 1964).

    Attributes:
        learning_rate: mm² per unit of cost.
        rotation_rate: rad² per unit of cost, for parameters that are radians; None: as ``learning_rate`` says, one
            radian being the block's length.
        momentum: fraction of the last step that is kept.
    """

    learning_rate: float = 20.0
    rotation_rate: float | None = None
    momentum: float = 0.9

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        own = None if self.rotation_rate is None else self.rotation_rate * state.scale.square()
        return iterate(_Momentum(self, _rates(state, self.learning_rate, own)), problem, state)


@dataclass(frozen=True)
class Adam(_FirstOrder):
    """Adam (Kingma and Ba 2015); the learning rate is about the size of a step along each axis.

    Attributes:
        learning_rate: mm.
        rotation_rate_deg: degrees, for parameters that are radians; None: as ``learning_rate`` says, one radian being
            the block's length.
        betas: decay of the averages of the gradient and of its square.
    """

    decay: float = 0.97
    learning_rate: float = 2.0
    rotation_rate_deg: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        own = None if self.rotation_rate_deg is None else math.radians(self.rotation_rate_deg) * state.scale
        return iterate(_Adam(self, _rates(state, self.learning_rate, own)), problem, state)


class _Descent(ABC):
    """Moves by a rule that does not look at the cost. Memory: steps taken (B,), stale iterations (B,), best cost (B,),
    and what the rule adds."""

    needs_jacobian = True

    def __init__(self, options: _FirstOrder, rates: Tensor) -> None:
        self.options = options
        self.first_damping = float(rates.max())
        self._rates = rates

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        nothing = torch.zeros(len(point.state), dtype=torch.float64)
        return nothing, nothing, point.cost, *self.averages(point.gradient)

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        taken, stale, _, *averages = memory
        return taken, stale, point.cost, *averages

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        taken, stale, best, *averages = memory
        per_mm = 1 / point.state.scale
        direction, averages = self.direction(point.gradient * per_mm, averages, taken + 1)
        step = shortened(
            (self._rates * self.options.decay ** taken[:, None]) * direction, self.options.longest_step
        )  # fmt: skip
        return evaluator.point(point.state.retract(step * per_mm)), (taken + 1, stale, best, *averages)

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        taken, stale, best, *averages = memory
        stale = torch.where(trial.cost < best * (1 - self.options.relative_tolerance), 0.0, stale + 1)
        lost = ~torch.isfinite(trial.cost)
        best = torch.where(trial.cost < best, trial.cost, best)
        rate = self.first_damping * self.options.decay**taken
        return Outcome(
            torch.ones_like(lost), stale >= self.options.patience, lost, rate, (taken, stale, best, *averages)
        )

    @abstractmethod
    def averages(self, gradient: Tensor) -> list[Tensor]:
        """What the rule remembers at the start: tensors (B, P)."""

    @abstractmethod
    def direction(self, gradient: Tensor, averages: list[Tensor], iteration: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Directions (B, P) before the learning rate of gradients (B, P) per mm, at iterations (B,) from 1."""


class _Momentum(_Descent):
    options: SGD

    def averages(self, gradient: Tensor) -> list[Tensor]:
        return [torch.zeros_like(gradient)]

    def direction(self, gradient: Tensor, averages: list[Tensor], iteration: Tensor) -> tuple[Tensor, list[Tensor]]:
        # the momentum is that of the whole step, so that its parts may have rates of their own
        velocity = self.options.momentum * averages[0] - gradient
        return velocity, [velocity]


class _Adam(_Descent):
    options: Adam

    def averages(self, gradient: Tensor) -> list[Tensor]:
        return [torch.zeros_like(gradient), torch.zeros_like(gradient)]

    def direction(self, gradient: Tensor, averages: list[Tensor], iteration: Tensor) -> tuple[Tensor, list[Tensor]]:
        first_decay, second_decay = self.options.betas
        first = first_decay * averages[0] + (1 - first_decay) * gradient
        second = second_decay * averages[1] + (1 - second_decay) * gradient**2
        mean = first / (1 - first_decay**iteration)[:, None]
        square = second / (1 - second_decay**iteration)[:, None]
        return -mean / (square.sqrt() + 1e-12), [first, second]


def shortened(steps: Tensor, longest: float) -> Tensor:
    """Steps (B, P) in mm, those longer than ``longest`` shortened to it."""
    return steps * (longest / steps.norm(dim=-1, keepdim=True).clamp(min=longest))


def _rates(state: State, rate: float, own: Tensor | None) -> Tensor:
    """(P,) learning rates in mm: ``own`` (P,) for parameters that are radians, where it is given."""
    common = torch.full_like(state.scale, rate)
    return common if own is None else torch.where(state.angular, own, common)
