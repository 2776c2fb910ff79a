"""Limited-memory BFGS on a batch of hypotheses, each with its own history and line search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.optimization.first_order import shortened
from SphericalRegLib.optimization.loop import Evaluator, Memory, Options, Outcome, Point, iterate
from SphericalRegLib.optimization.problem import Problem, Step
from SphericalRegLib.optimization.state import State


@dataclass(frozen=True)
class LBFGS(Options):
    """Limited-memory BFGS with a backtracking line search (Nocedal and Wright, algorithm 7.4).

    Attributes:
        history: pairs of steps and gradient differences that model the curvature; renewed weights forget them.
        first_step: length of the first trial step, mm: without history the gradient has no natural length.
        halvings: of a step at most, until the cost has fallen enough (Armijo's rule).
        tolerance: a hypothesis rests when its step is shorter than this, mm,
        relative_tolerance: or when a step lowers the cost by less than this fraction.
        longest_step: mm.
    """

    iterations: int = 60
    history: int = 8
    first_step: float = 2.0
    halvings: int = 10
    tolerance: float = 0.01
    relative_tolerance: float = 1e-5
    longest_step: float = 60.0

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        return iterate(_Rule(self), problem, state)


class _Rule:
    """Memory: steps and gradient differences (B, history, P) in mm, newest last, 0 where there are none yet."""

    needs_jacobian = True

    def __init__(self, options: LBFGS) -> None:
        self.options = options
        self.first_damping = options.first_step

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        count, parameters = point.gradient.shape
        pairs = torch.zeros(count, self.options.history, parameters, dtype=torch.float64)
        return pairs, pairs

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        return self.init(evaluator, point)

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        gradient = point.gradient / point.state.scale
        direction, curved = two_loops(gradient, *memory)
        steepest = -gradient * (self.options.first_step / gradient.norm(dim=-1, keepdim=True).clamp(min=1e-300))
        direction = torch.where(curved[:, None], direction, steepest)
        step, lower = self._search(evaluator, point, gradient, shortened(direction, self.options.longest_step))
        trial = evaluator.point(point.state.retract(step / point.state.scale))
        return trial, (*memory, step, lower, curved)

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        steps, changes, step, lower, curved = memory
        change = (trial.gradient - point.gradient) / point.state.scale
        # a failed search along a curved model is tried again downhill, with an empty history
        kept = torch.where(lower[:, None, None], steps, 0.0)
        remembered = (
            torch.cat([kept[:, 1:], torch.where(lower[:, None], step, 0.0)[:, None]], dim=1),
            torch.cat([changes[:, 1:], torch.where(lower[:, None], change, 0.0)[:, None]], dim=1),
        )
        size = step.norm(dim=-1)
        flat = point.cost - trial.cost < self.options.relative_tolerance * point.cost
        rested = torch.where(lower, (size < self.options.tolerance) | flat, ~curved)
        return Outcome(lower, rested, ~torch.isfinite(point.cost), size, remembered)

    def _search(self, evaluator: Evaluator, point: Point, gradient: Tensor, trial: Tensor) -> tuple[Tensor, Tensor]:
        """Steps (A, P) in mm that lower the cost enough, and for which hypotheses (A,) there is one; 0 where not."""
        step, lower = torch.zeros_like(trial), torch.zeros(len(trial), dtype=torch.bool)
        for _ in range(self.options.halvings + 1):
            left = torch.nonzero(~lower)[:, 0]
            if not left.numel():
                break
            reached = point.state.select(left).retract(trial[left] / point.state.scale)
            value = evaluator.costs(reached, left)
            slope = (gradient[left] * trial[left]).sum(-1)
            enough = left[(value <= point.cost[left] + 1e-4 * slope) & (slope < 0)]
            step = step.index_copy(0, enough, trial[enough])
            lower = lower.index_fill(0, enough, True)
            trial = trial / 2
        return step, lower


def two_loops(gradient: Tensor, steps: Tensor, changes: Tensor) -> tuple[Tensor, Tensor]:
    """Quasi-Newton directions (B, P) and whether any pair (B,) was used (Nocedal and Wright, algorithm 7.4).

    Args:
        gradient: (B, P).
        steps, changes: (B, history, P) steps s and gradient differences y, oldest first. A pair without positive
            curvature is left out, for that hypothesis alone.
    """
    products = (steps * changes).sum(-1)
    # Curvature far below what the lengths of s and y allow is rounding.
    used = products > 1e-10 * steps.norm(dim=-1) * changes.norm(dim=-1)
    inverse = torch.where(used, 1 / torch.where(used, products, 1.0), 0.0)
    direction = -gradient
    factors = []
    for n in reversed(range(steps.shape[1])):
        factor = inverse[:, n, None] * (steps[:, n] * direction).sum(-1, keepdim=True)
        direction = direction - factor * changes[:, n]
        factors.append(factor)
    size = torch.ones_like(gradient[:, :1])
    for n in range(steps.shape[1]):
        square = changes[:, n].square().sum(-1, keepdim=True).clamp(min=1e-300)
        size = torch.where(used[:, n, None], products[:, n, None] / square, size)
    direction = direction * size
    for n, factor in zip(range(steps.shape[1]), reversed(factors), strict=True):
        correction = inverse[:, n, None] * (changes[:, n] * direction).sum(-1, keepdim=True)
        direction = direction + (factor - correction) * steps[:, n]
    return direction, used.any(-1)
