"""Levenberg-Marquardt on a batch of hypotheses: each has its own damping, gain ratio and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.optimization.damping import damped_step
from SphericalRegLib.optimization.loop import Evaluator, Memory, Options, Outcome, Point, iterate
from SphericalRegLib.optimization.problem import Problem, Step
from SphericalRegLib.optimization.quasi_newton import first_curvature, updated_curvature
from SphericalRegLib.optimization.state import State


@dataclass(frozen=True)
class LevenbergMarquardt(Options):
    """Damped Newton steps with Marquardt's scaling: (H + λ diag H) x = -g, parameters counted in mm.

    H is the problem's own curvature (Gauss-Newton's, for sums of squares). Where the problem has none, BFGS builds it
    from the gradients at the states that are tried.

    Attributes:
        damping: λ at the start.
        tolerance: a hypothesis rests when its step is shorter than this, mm,
        relative_tolerance: or when an accepted step lowers the cost by less than this fraction.
        longest_step: steps are shortened to this, mm: beyond it the linear model of an image is worthless.
    """

    iterations: int = 50
    damping: float = 1e-3
    tolerance: float = 0.01
    relative_tolerance: float = 1e-4
    longest_step: float = 60.0

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        return iterate(_Rule(self), problem, state)


class _Rule:
    """Memory: damping (B,), and where the problem has no curvature a matrix (B, P, P) and whether it is fresh (B,)."""

    needs_jacobian = True

    def __init__(self, options: LevenbergMarquardt) -> None:
        self.options = options
        self.first_damping = options.damping

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        damping = torch.full((len(point.state),), self.options.damping, dtype=torch.float64)
        if point.curvature is not None:
            return (damping,)
        return damping, first_curvature(point.gradient / point.state.scale), torch.ones_like(damping)

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        return memory

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        step = self._step(point, memory)
        return evaluator.point(point.state.retract(step)), (*memory, step)

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        *kept, step = memory
        now, curvature = kept[0], self._curvature(point, memory)
        predicted = -(point.gradient * step).sum(-1) - (step[:, None] @ curvature @ step[:, :, None]).flatten() / 2
        gained = point.cost - trial.cost
        gain = gained / predicted.clamp(min=1e-30)
        accepted = (gained > 0) & (gain > 1e-3) & torch.isfinite(trial.cost)
        good = torch.where(gain > 0.5, now / 10, now).clamp(min=1e-7)
        damping = torch.where(accepted, good, now * 10)
        short = point.state.length(step) < self.options.tolerance
        flat = accepted & (gained < self.options.relative_tolerance * point.cost) & (gain > 0.25)
        remembered: Memory = (damping,)
        if len(kept) > 1:
            scale = point.state.scale
            change = (trial.gradient - point.gradient) / scale
            remembered = (damping, *updated_curvature(kept[1], kept[2], step * scale, change))
        return Outcome(accepted, short | flat, damping > 1e6, damping, remembered)

    def _step(self, point: Point, memory: Memory) -> Tensor:
        per_mm = 1 / point.state.scale
        curvature = self._curvature(point, memory) * per_mm * per_mm[:, None]
        step = damped_step(curvature, point.gradient * per_mm, memory[0]) * per_mm
        size = point.state.length(step)
        return step * (self.options.longest_step / size.clamp(min=self.options.longest_step))[:, None]

    @staticmethod
    def _curvature(point: Point, memory: Memory) -> Tensor:
        if point.curvature is not None:
            return point.curvature
        scale = point.state.scale
        return memory[1] * scale * scale[:, None]
