"""First-order optimizers on a batch of poses: gradient descent with momentum, Adam, and L-BFGS.

All of them work in millimeters: a rotation counts as the translation that it causes at the problem's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.optimization.problem import Problem, Step, moved

#: (gradient (B, 6) per mm, memory, iteration) -> (direction (B, 6) before the learning rate, new memory).
Rule = Callable[[Tensor, list[Tensor], int], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum (Polyak 1964).

    Attributes:
        iterations: at most so many.
        learning_rate: mm² per unit of cost.
        momentum: fraction of the last step that is kept.
        decay: factor on the learning rate at each iteration.
        patience: a pose is done when its best cost has not improved for so many iterations,
        relative_tolerance: improved by at least this fraction, that is.
        renewal: robust weights are renewed every so many iterations, from the best pose; 0 never.
        longest_step: mm.
    """

    iterations: int = 100
    learning_rate: float = 20.0
    momentum: float = 0.9
    decay: float = 1.0
    patience: int = 30
    relative_tolerance: float = 1e-4
    renewal: int = 0
    longest_step: float = 60.0

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""

        def rule(gradient: Tensor, memory: list[Tensor], _: int) -> tuple[Tensor, list[Tensor]]:
            velocity = self.momentum * memory[0] - gradient
            return velocity, [velocity]

        return _descend(self, rule, 1, problem, poses)


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015); the learning rate is about the size of a step along each axis, in mm.

    Attributes:
        iterations: at most so many.
        learning_rate: mm.
        betas: decay of the averages of the gradient and of its square.
        decay: factor on the learning rate at each iteration.
        patience: a pose is done when its best cost has not improved for so many iterations,
        relative_tolerance: improved by at least this fraction, that is.
        renewal: robust weights are renewed every so many iterations, from the best pose; 0 never.
        longest_step: mm.
    """

    iterations: int = 100
    learning_rate: float = 2.0
    betas: tuple[float, float] = (0.9, 0.99)
    decay: float = 0.97
    patience: int = 30
    relative_tolerance: float = 1e-4
    renewal: int = 0
    longest_step: float = 60.0

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        first_decay, second_decay = self.betas

        def rule(gradient: Tensor, memory: list[Tensor], iteration: int) -> tuple[Tensor, list[Tensor]]:
            first = first_decay * memory[0] + (1 - first_decay) * gradient
            second = second_decay * memory[1] + (1 - second_decay) * gradient**2
            mean = first / (1 - first_decay**iteration)
            square = second / (1 - second_decay**iteration)
            return -mean / (square.sqrt() + 1e-12), [first, second]

        return _descend(self, rule, 2, problem, poses)


def _descend(settings: SGD | Adam, rule: Rule, memories: int, problem: Problem, poses: Tensor) -> Iterator[Step]:
    """Move by a rule that does not look at the cost, and remember the best pose."""
    poses = poses.to(torch.float64)
    batch = poses.shape[0]
    scale = twist_per_mm(problem.length)
    model = problem.linearize(poses)
    weights: Any = None
    if settings.renewal:
        model, weights = problem.renew(model)
    gradient, best, best_cost = model.gradient, poses, model.cost
    memory = [torch.zeros(batch, 6, dtype=torch.float64) for _ in range(memories)]
    stale = torch.zeros(batch, dtype=torch.long)
    done = ~torch.isfinite(model.cost)
    rate = settings.learning_rate
    yield Step(best, best_cost, torch.full((batch,), rate, dtype=torch.float64), 0, done, weights)
    for iteration in range(1, settings.iterations + 1):
        if settings.renewal and iteration > 1 and (iteration - 1) % settings.renewal == 0:
            poses = best
            model, weights = problem.renew(problem.linearize(poses))
            gradient, best_cost = model.gradient, model.cost
        active = torch.nonzero(~done)[:, 0]
        # the gradient of a Linearization is half the cost's derivative
        direction, fresh = rule(2 * gradient[active] * scale, [m[active] for m in memory], iteration)
        memory = [m.index_copy(0, active, new) for m, new in zip(memory, fresh, strict=True)]
        step = shortened(rate * direction, settings.longest_step)
        poses = poses.index_copy(0, active, moved(problem, poses[active], step * scale))
        trial = problem.linearize(poses[active], problem.pick(weights, active) if weights is not None else None)
        cost = best_cost.index_copy(0, active, trial.cost)
        gradient = gradient.index_copy(0, active, trial.gradient)
        stale = torch.where(cost < best_cost * (1 - settings.relative_tolerance), 0, stale + 1)
        better = cost < best_cost
        best, best_cost = torch.where(better[:, None, None], poses, best), torch.where(better, cost, best_cost)
        done = done | (stale >= settings.patience) | ~torch.isfinite(cost)
        rate *= settings.decay
        yield Step(best, best_cost, torch.full((batch,), rate, dtype=torch.float64), iteration, done, weights)
        if bool(done.all()):
            return


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS with a backtracking line search (Nocedal and Wright, algorithm 7.4), each pose on its own.

    Attributes:
        iterations: at most so many.
        history: pairs of steps and gradient differences that model the curvature.
        first_step: length of the first trial step, mm: without history the gradient has no natural length.
        halvings: of a step at most, until the cost has fallen enough (Armijo's rule).
        tolerance: a pose is done when its step is shorter than this, mm,
        relative_tolerance: or when a step lowers the cost by less than this fraction.
        renewal: robust weights are renewed (and the history forgotten) every so many iterations; 0 never.
        longest_step: mm.
    """

    iterations: int = 60
    history: int = 8
    first_step: float = 2.0
    halvings: int = 10
    tolerance: float = 0.01
    relative_tolerance: float = 1e-5
    renewal: int = 0
    longest_step: float = 60.0

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        poses = poses.to(torch.float64)
        batch = poses.shape[0]
        scale = twist_per_mm(problem.length)
        model = problem.linearize(poses)
        weights: Any = None
        if self.renewal:
            model, weights = problem.renew(model)
        cost, gradient = model.cost, 2 * model.gradient * scale
        pairs: list[tuple[Tensor, Tensor]] = []
        size = torch.full((batch,), self.first_step, dtype=torch.float64)
        done = ~torch.isfinite(cost)
        yield Step(poses, cost, size, 0, done, weights)
        for iteration in range(1, self.iterations + 1):
            if self.renewal and iteration > 1 and (iteration - 1) % self.renewal == 0:
                model, weights = problem.renew(problem.linearize(poses))
                cost, gradient, pairs = model.cost, 2 * model.gradient * scale, []
            direction, curved = two_loops(gradient, pairs)
            steepest = -gradient * (self.first_step / gradient.norm(dim=-1, keepdim=True).clamp(min=1e-300))
            direction = torch.where(curved[:, None], direction, steepest)
            step, found = self._search(problem, poses, cost, gradient, direction, ~done, weights)
            moving = torch.nonzero(found)[:, 0]
            if moving.numel():
                reached = moved(problem, poses[moving], step[moving] * scale)
                there = problem.linearize(reached, problem.pick(weights, moving) if weights is not None else None)
                new_gradient = gradient.index_copy(0, moving, 2 * there.gradient * scale)
                new_cost = cost.index_copy(0, moving, there.cost)
                poses = poses.index_copy(0, moving, reached)
            else:
                new_gradient, new_cost = gradient, cost
            flat = cost - new_cost < self.relative_tolerance * cost
            # a failed search along a curved model is tried again downhill, with an empty history
            pairs = [(torch.where((found | done)[:, None], s, 0.0), y) for s, y in pairs]
            pairs = [*pairs, (step, new_gradient - gradient)][-self.history :]
            size = step.norm(dim=-1)
            done = done | torch.where(found, (size < self.tolerance) | flat, ~curved)
            cost, gradient = new_cost, new_gradient
            yield Step(poses, cost, size, iteration, done, weights)
            if bool(done.all()):
                return

    def _search(
        self,
        problem: Problem,
        poses: Tensor,
        cost: Tensor,
        gradient: Tensor,
        direction: Tensor,
        active: Tensor,
        weights: Any,
    ) -> tuple[Tensor, Tensor]:
        """Steps (B, 6) in mm that lower the cost enough, and for which poses (B,) one was found; 0 where not."""
        scale = twist_per_mm(problem.length)
        trial = shortened(direction, self.longest_step)
        step, found = torch.zeros_like(trial), torch.zeros_like(active)
        for _ in range(self.halvings + 1):
            left = torch.nonzero(active & ~found)[:, 0]
            if not left.numel():
                break
            picked = problem.pick(weights, left) if weights is not None else None
            reached = moved(problem, poses[left], trial[left] * scale)
            value = problem.linearize(reached, picked, jacobian=False).cost
            slope = (gradient[left] * trial[left]).sum(-1)
            enough = left[(value <= cost[left] + 1e-4 * slope) & (slope < 0)]
            step = step.index_copy(0, enough, trial[enough])
            found = found.index_fill(0, enough, True)
            trial = trial / 2
        return step, found


def two_loops(gradient: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Quasi-Newton directions (B, 6) and whether any pair (B,) was used (Nocedal and Wright, algorithm 7.4).

    Args:
        gradient: (B, 6).
        pairs: steps s and gradient differences y, (B, 6) each, oldest first. A pair without positive curvature is left
            out, for that pose alone.
    """
    products = [(s * y).sum(-1, keepdim=True) for s, y in pairs]
    # Curvature far below what the lengths of s and y allow is rounding.
    bounds = [s.norm(dim=-1, keepdim=True) * y.norm(dim=-1, keepdim=True) for s, y in pairs]
    used = [p > 1e-10 * bound for p, bound in zip(products, bounds, strict=True)]
    inverse = [torch.where(u, 1 / torch.where(u, p, 1.0), 0.0) for u, p in zip(used, products, strict=True)]
    direction = -gradient
    shares: list[Tensor] = []
    for (s, y), rho in zip(reversed(pairs), reversed(inverse), strict=True):
        share = rho * (s * direction).sum(-1, keepdim=True)
        direction = direction - share * y
        shares.append(share)
    size = torch.ones_like(gradient[:, :1])
    for (_, y), u, p in zip(pairs, used, products, strict=True):
        size = torch.where(u, p / (y * y).sum(-1, keepdim=True).clamp(min=1e-300), size)
    direction = direction * size
    for (s, y), rho, share in zip(pairs, inverse, reversed(shares), strict=True):
        direction = direction + s * (share - rho * (y * direction).sum(-1, keepdim=True))
    curved = torch.stack(used).any(0)[:, 0] if used else torch.zeros(gradient.shape[0], dtype=torch.bool)
    return direction, curved


def twist_per_mm(length: float) -> Tensor:
    """(6,) factors from steps in mm to twists (radians, mm) where one radian counts as ``length`` mm."""
    return torch.tensor([1 / length] * 3 + [1.0] * 3, dtype=torch.float64)


def shortened(steps: Tensor, longest: float) -> Tensor:
    """Steps (B, 6) in mm, those longer than ``longest`` shortened to it."""
    return steps * (longest / steps.norm(dim=-1, keepdim=True).clamp(min=longest))
