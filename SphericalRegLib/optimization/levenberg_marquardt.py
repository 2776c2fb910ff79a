"""Levenberg-Marquardt on a batch of poses: every pose has its own damping, gain ratio and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.optimization.problem import Linearization, Problem, Step, moved, step_length


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Damped Gauss-Newton with Marquardt's scaling: (H + λ diag H) x = -g, about the isocenter.

    Attributes:
        iterations: at most so many linearizations after the first.
        damping: λ at the start.
        tolerance: a pose is done when its step is shorter than this, mm (rotations at the problem's length).
        relative_tolerance: or when an accepted step lowers the cost by less than this fraction.
        renewal: robust weights are renewed every so many iterations; 0 never.
        longest_step: steps are shortened to this, mm: beyond it the linear model of an image is worthless.
    """

    iterations: int = 50
    damping: float = 1e-3
    tolerance: float = 0.01
    relative_tolerance: float = 1e-4
    renewal: int = 0
    longest_step: float = 60.0

    def steps(self, problem: Problem, poses: Tensor) -> Iterator[Step]:
        """Iterate; see :class:`~SphericalRegLib.optimization.problem.Optimizer`."""
        poses = poses.to(torch.float64)
        batch = poses.shape[0]
        model = problem.linearize(poses)
        weights: Any = None
        if self.renewal:
            model, weights = problem.renew(model)
        state = _State(poses, model.cost, model.gradient, model.hessian, torch.full((batch,), self.damping).double())
        done = torch.zeros(batch, dtype=torch.bool)
        # a pose that has come to rest under old weights must come to rest under new ones before it is done
        settled = torch.zeros(batch, dtype=torch.bool)
        since_renewal = 0
        # rendered at the present poses, where one batch holds all of them: renewed weights need no new images
        latest: Linearization | None = model
        yield Step(poses, state.cost, state.damping, 0, done, weights)
        for iteration in range(1, self.iterations + 1):
            if self.renewal and (since_renewal >= self.renewal or bool((settled | done).all())):
                latest, weights = problem.renew(latest or problem.linearize(state.poses))
                state = replace(state, cost=latest.cost, gradient=latest.gradient, hessian=latest.hessian)
                since_renewal = 0
                resting = settled
                settled = torch.zeros_like(settled)
            else:
                resting = torch.zeros_like(settled)
            since_renewal += 1
            active = torch.nonzero(~(done | settled))[:, 0]
            now = state.picked(active)
            twist = self._solve(now, problem.length)
            trial_poses = moved(problem, now.poses, twist)
            trial = problem.linearize(trial_poses, problem.pick(weights, active) if weights is not None else None)
            predicted = (
                -(2 * now.gradient * twist).sum(-1) - (twist[:, None] @ now.hessian @ twist[:, :, None]).flatten()
            )
            gained = now.cost - trial.cost
            gain = gained / predicted.clamp(min=1e-30)
            accepted = (gained > 0) & (gain > 1e-3) & torch.isfinite(trial.cost)
            damping = torch.where(
                accepted,
                torch.where(gain > 0.5, now.damping / 10, now.damping).clamp(min=1e-7),
                now.damping * 10,
            )
            state = state.updated(active, accepted, trial_poses, trial, damping)
            if bool(accepted.any()):
                latest = trial if len(active) == batch and bool(accepted.all()) else None
            short = step_length(twist, problem.length) < self.tolerance
            flat = accepted & (gained < self.relative_tolerance * now.cost) & (gain > 0.25)
            stuck = damping > 1e6
            settled, done = settled.clone(), done.clone()
            settled[active] = short | flat | stuck
            done[active] = stuck | (settled[active] & (resting[active] | (self.renewal == 0)))
            yield Step(state.poses, state.cost, state.damping, iteration, done, weights)
            if bool(done.all()):
                return

    def _solve(self, state: _State, length: float) -> Tensor:
        scale = torch.tensor([1 / length] * 3 + [1.0] * 3, dtype=torch.float64)
        hessian = state.hessian * scale * scale[:, None]
        gradient = state.gradient * scale
        diagonal = hessian.diagonal(dim1=-2, dim2=-1)
        # an unobservable direction must not move at all rather than far
        floor = 1e-9 * diagonal.amax(-1, keepdim=True).clamp(min=1e-30)
        damped = hessian + torch.diag_embed(state.damping[:, None] * diagonal + floor)
        twist = -torch.linalg.solve(damped, gradient) * scale
        size = step_length(twist, length)
        return twist * (self.longest_step / size.clamp(min=self.longest_step))[:, None]


@dataclass(frozen=True)
class _State:
    poses: Tensor
    cost: Tensor
    gradient: Tensor
    hessian: Tensor
    damping: Tensor

    def picked(self, indices: Tensor) -> _State:
        return _State(*(getattr(self, f)[indices] for f in ("poses", "cost", "gradient", "hessian", "damping")))

    def updated(self, active: Tensor, accepted: Tensor, poses: Tensor, trial: Linearization, damping: Tensor) -> _State:
        where = active[accepted]
        new = {name: getattr(self, name).clone() for name in ("poses", "cost", "gradient", "hessian", "damping")}
        new["damping"][active] = damping
        new["poses"][where] = poses[accepted]
        for name in ("cost", "gradient", "hessian"):
            new[name][where] = getattr(trial, name)[accepted]
        return _State(**new)
