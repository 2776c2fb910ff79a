"""Optimizers that only look at the cost: Nelder-Mead on a batch of poses, and BOBYQA for comparison."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.optimization.first_order import twist_per_mm
from SphericalRegLib.optimization.problem import Problem, Step, moved


@dataclass(frozen=True)
class NelderMead:
    """The simplex method with dimension-adapted coefficients (Gao and Han 2012), each pose with its own simplex.

    Attributes:
        iterations: at most so many; each takes one or two renderings, rarely eight.
        size: edge of the first simplex, mm (rotations at the problem's length).
        tolerance: a pose is done when its simplex is smaller than this, mm.
        renewal: robust weights are renewed, and the simplex's costs with them, every so many iterations; 0 never.
    """

    iterations: int = 300
    size: float = 10.0
    tolerance: float = 0.01
    renewal: int = 0

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        start = poses.to(torch.float64)
        batch = start.shape[0]
        everyone = torch.arange(batch)
        weights: Any = None
        if self.renewal:
            _, weights = problem.renew(problem.linearize(start))
        offsets = self.size * torch.cat([torch.zeros(1, 6), torch.eye(6)]).to(torch.float64)
        points = offsets.expand(batch, 7, 6)
        costs = _costs(problem, start, points, weights, everyone)
        done = torch.zeros(batch, dtype=torch.bool)
        points, costs = _sorted(points, costs)
        yield self._step(problem, start, points, costs, 0, done, weights)
        for iteration in range(1, self.iterations + 1):
            if self.renewal and iteration > 1 and (iteration - 1) % self.renewal == 0:
                best = _poses(problem, start, points[:, 0])
                _, weights = problem.renew(problem.linearize(best))
                points, costs = _sorted(points, _costs(problem, start, points, weights, everyone))
            active = torch.nonzero(~done)[:, 0]
            new_points, new_costs = self._improved(problem, start, points[active], costs[active], weights, active)
            points, costs = _sorted(points.index_copy(0, active, new_points), costs.index_copy(0, active, new_costs))
            done = done | (_diameter(points) < self.tolerance) | ~torch.isfinite(costs[:, 0])
            yield self._step(problem, start, points, costs, iteration, done, weights)
            if bool(done.all()):
                return

    def _improved(
        self, problem: Problem, start: Tensor, points: Tensor, costs: Tensor, weights: Any, active: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One iteration of simplices (A, 7, 6) in mm with costs (A, 7), best vertex first, of the active poses."""
        n = points.shape[-1]
        expansion, contraction, shrinkage = 1 + 2 / n, 0.75 - 1 / (2 * n), 1 - 1 / n
        center = points[:, :-1].mean(1)
        away = center - points[:, -1]
        reflected = center + away
        cost = _costs(problem, start, reflected[:, None], weights, active)[:, 0]
        best, second_worst, worst = costs[:, 0], costs[:, -2], costs[:, -1]
        expand = cost < best
        keep = ~expand & (cost < second_worst)
        outside = ~expand & ~keep & (cost < worst)
        factor = torch.where(expand, expansion, torch.where(outside, contraction, -contraction))
        candidate = center + factor[:, None] * away
        tried = torch.nonzero(~keep)[:, 0]
        candidate_cost = cost
        if tried.numel():
            values = _costs(problem, start, candidate[tried, None], weights, active[tried])[:, 0]
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
            values = _costs(problem, start, small[:, 1:], weights, active[shrink])
            new_points = new_points.index_copy(0, shrink, small)
            new_costs = new_costs.index_copy(0, shrink, torch.cat([best[shrink, None], values], dim=1))
        return new_points, new_costs

    def _step(
        self, problem: Problem, start: Tensor, points: Tensor, costs: Tensor, iteration: int, done: Tensor, weights: Any
    ) -> Step:
        best = _poses(problem, start, points[:, 0])
        return Step(best, costs[:, 0], _diameter(points), iteration, done, weights)


@dataclass(frozen=True)
class BOBYQA:
    """Powell's BOBYQA (2009) through NLopt, of the optional dependencies ``evaluation``: one pose after the other.

    NLopt cannot be paused, so that each :class:`~SphericalRegLib.optimization.problem.Step` is one finished pose.

    Attributes:
        evaluations: of the cost at most, for each pose.
        size: radius of the first trust region, mm (rotations at the problem's length).
        reach: mm that the search may leave the start along each axis.
        tolerance: mm, a pose is done when steps are shorter.
    """

    evaluations: int = 500
    size: float = 10.0
    reach: float = 200.0
    tolerance: float = 0.01

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`.

        Raises:
            InputError: where NLopt is not installed.
        """
        nlopt = _nlopt()
        start = poses.to(torch.float64)
        batch = start.shape[0]
        costs = problem.linearize(start, jacobian=False).cost
        best = start
        done = torch.zeros(batch, dtype=torch.bool)
        size = torch.full((batch,), self.size, dtype=torch.float64)
        yield Step(best, costs, size, 0, done)
        for n in range(batch):
            index = torch.tensor([n])
            found = _Best(problem, start[n : n + 1], float(costs[n]))
            search = nlopt.opt(nlopt.LN_BOBYQA, 6)
            search.set_min_objective(found.evaluate)
            search.set_lower_bounds([-self.reach] * 6)
            search.set_upper_bounds([self.reach] * 6)
            search.set_initial_step(self.size)
            search.set_maxeval(self.evaluations)
            search.set_xtol_abs(self.tolerance)
            # Powell's code gives up where rounding hides the descent; the best point until then stands.
            with contextlib.suppress(nlopt.RoundoffLimited):
                search.optimize([0.0] * 6)
            best = best.index_copy(0, index, _poses(problem, found.start, found.point[None]))
            costs = costs.index_copy(0, index, torch.tensor([found.cost], dtype=torch.float64))
            done = done.index_fill(0, index, True)
            yield Step(best, costs, size, n + 1, done)


class _Best:
    """The cost as NLopt calls it; remembers the best point."""

    def __init__(self, problem: Problem, start: Tensor, cost: float) -> None:
        self.problem, self.start, self.cost = problem, start, cost
        self.point = torch.zeros(6, dtype=torch.float64)

    def evaluate(self, point: NDArray[np.float64], _: NDArray[np.float64]) -> float:
        at = torch.tensor(point, dtype=torch.float64)
        cost = float(self.problem.linearize(_poses(self.problem, self.start, at[None]), jacobian=False).cost[0])
        if cost < self.cost:
            self.point, self.cost = at, cost
        return cost


def _nlopt() -> Any:
    try:
        return importlib.import_module("nlopt")
    except ImportError as error:
        raise InputError(
            "The optimizer BOBYQA needs NLopt, which is not installed: pip install 'sphericalreg[evaluation]', "
            "or choose Nelder-Mead."
        ) from error


def _poses(problem: Problem, start: Tensor, points: Tensor) -> Tensor:
    """Poses (B, 4, 4) at points (B, 6) in mm from the start."""
    return moved(problem, start, points * twist_per_mm(problem.length))


def _costs(problem: Problem, start: Tensor, points: Tensor, weights: Any, active: Tensor) -> Tensor:
    """Costs (A, K) of K points (A, K, 6) around each of the active poses, in one batch."""
    count = points.shape[1]
    owners = active.repeat_interleave(count)
    poses = _poses(problem, start[owners], points.flatten(0, 1))
    picked = problem.pick(weights, owners) if weights is not None else None
    return problem.linearize(poses, picked, jacobian=False).cost.unflatten(0, (-1, count))


def _sorted(points: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    costs, order = costs.sort(dim=1, stable=True)
    return torch.take_along_dim(points, order[:, :, None], dim=1), costs


def _diameter(points: Tensor) -> Tensor:
    """(B,) distance of the vertex that is farthest from the best one, mm."""
    return (points[:, 1:] - points[:, :1]).norm(dim=-1).amax(-1)
