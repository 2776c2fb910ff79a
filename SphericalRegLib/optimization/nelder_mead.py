"""The simplex method on a batch of hypotheses, each with its own simplex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.optimization.loop import Evaluator, Memory, Options, Outcome, Point, iterate
from SphericalRegLib.optimization.problem import Problem, Step
from SphericalRegLib.optimization.state import State


@dataclass(frozen=True)
class NelderMead(Options):
    """The simplex method with dimension-adapted coefficients (Gao and Han 2012).

    Attributes:
        iterations: at most so many; each takes one or two renderings, rarely one for each parameter and two more.
        size: edge of the first simplex, mm.
        tolerance: a hypothesis rests when its simplex is smaller than this, mm.
    """

    iterations: int = 300
    size: float = 10.0
    tolerance: float = 0.01

    def steps(self, problem: Problem, state: State) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        return iterate(_Rule(self, state), problem, state)


class _Rule:
    """Memory: vertices (B, P + 1, P) in mm from the start, best first, and their costs (B, P + 1)."""

    needs_jacobian = False

    def __init__(self, options: NelderMead, start: State) -> None:
        self.options = options
        self.first_damping = options.size
        self._start = start

    def init(self, evaluator: Evaluator, point: Point) -> Memory:
        parameters = len(point.state.scale)
        corner = torch.zeros(1, parameters, dtype=torch.float64)
        simplex = self.options.size * torch.cat([corner, torch.eye(parameters, dtype=torch.float64)])
        vertices = simplex.expand(len(point.state), *simplex.shape)
        others = self._costs(evaluator, vertices[:, 1:], torch.arange(len(point.state)))
        return _sorted(vertices, torch.cat([point.cost[:, None], others], dim=1))

    def renewed(self, evaluator: Evaluator, point: Point, memory: Memory) -> Memory:
        return _sorted(memory[0], self._costs(evaluator, memory[0], torch.arange(len(point.state))))

    def propose(self, evaluator: Evaluator, point: Point, memory: Memory, iteration: int) -> tuple[Point, Memory]:
        vertices, costs = _sorted(*self._improved(evaluator, *memory))
        state = self._at(vertices[:, 0], evaluator.indices)
        nothing = costs.new_zeros(len(costs), 0)
        return Point(state, costs[:, 0], nothing, None), (vertices, costs)

    def accept(self, point: Point, trial: Point, memory: Memory) -> Outcome:
        size = _diameter(memory[0])
        accepted = trial.cost <= point.cost
        return Outcome(accepted, size < self.options.tolerance, ~torch.isfinite(trial.cost), size, memory)

    def _improved(self, evaluator: Evaluator, points: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
        """One iteration of simplices (A, P + 1, P) in mm with costs (A, P + 1), best vertex first."""
        n = points.shape[-1]
        everyone = torch.arange(len(points))
        expansion, contraction, shrinkage = 1 + 2 / n, 0.75 - 1 / (2 * n), 1 - 1 / n
        center = points[:, :-1].mean(1)
        away = center - points[:, -1]
        reflected = center + away
        cost = self._costs(evaluator, reflected[:, None], everyone)[:, 0]
        best, second_worst, worst = costs[:, 0], costs[:, -2], costs[:, -1]
        expand = cost < best
        keep = ~expand & (cost < second_worst)
        outside = ~expand & ~keep & (cost < worst)
        factor = torch.where(expand, expansion, torch.where(outside, contraction, -contraction))
        candidate = center + factor[:, None] * away
        tried = torch.nonzero(~keep)[:, 0]
        candidate_cost = cost
        if tried.numel():
            values = self._costs(evaluator, candidate[tried, None], tried)[:, 0]
            candidate_cost = cost.index_copy(0, tried, values)
        limit = torch.where(expand | outside, cost, worst)
        take = ~keep & (candidate_cost <= limit)
        vertex = torch.where(take[:, None], candidate, reflected)
        vertex_cost = torch.where(take, candidate_cost, cost)
        shrink = torch.nonzero(~keep & ~expand & ~take)[:, 0]
        new_points = torch.cat([points[:, :-1], vertex[:, None]], dim=1)
        new_costs = torch.cat([costs[:, :-1], vertex_cost[:, None]], dim=1)
        if shrink.numel():
            lead = points[shrink, :1]
            small = lead + shrinkage * (points[shrink] - lead)
            values = self._costs(evaluator, small[:, 1:], shrink)
            new_points = new_points.index_copy(0, shrink, small)
            new_costs = new_costs.index_copy(0, shrink, torch.cat([best[shrink, None], values], dim=1))
        return new_points, new_costs

    def _costs(self, evaluator: Evaluator, points: Tensor, owners: Tensor) -> Tensor:
        """Costs (A, K) of K points (A, K, P) of each of the owners (A,), counted among the evaluator's."""
        repeated = owners.repeat_interleave(points.shape[1])
        state = self._at(points.flatten(0, 1), evaluator.indices[repeated])
        return evaluator.costs(state, repeated).unflatten(0, points.shape[:2])

    def _at(self, points: Tensor, indices: Tensor) -> State:
        """The state at points (A, P) in mm from the starts of hypotheses (A,)."""
        return self._start.select(indices).retract(points / self._start.scale)


def _sorted(points: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    costs, order = costs.sort(dim=1, stable=True)
    return torch.take_along_dim(points, order[:, :, None], dim=1), costs


def _diameter(points: Tensor) -> Tensor:
    """(B,) distance of the vertex that is farthest from the best one, mm."""
    return (points[:, 1:] - points[:, :1]).norm(dim=-1).amax(-1)
