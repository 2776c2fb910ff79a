"""From starts to a pose: candidates through the stages of a system, as an iterator of steps that a caller may stop."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization import Conditions, Starts
from SphericalRegLib.initialization.search import spread_poses
from SphericalRegLib.optimization.numerical import numerical_curvature
from SphericalRegLib.optimization.objective import Objective
from SphericalRegLib.optimization.problem import Linearization, Step
from SphericalRegLib.optimization.state import pose_distance
from SphericalRegLib.registration.beam import check_beam
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.opinion import Opinion
from SphericalRegLib.registration.optima import Optimum, distinct
from SphericalRegLib.registration.result import Progress, Result, Verdict, ViewResult
from SphericalRegLib.registration.system import System
from SphericalRegLib.registration.uncertainty import covariance, depth_deviation
from SphericalRegLib.registration.verdict import judge

# A pose has come to rest that moved no more than the threshold over so many iterations.
_LAST_STEPS = 3
# Degrees or mm: a search of less is none.
SMALLEST_RANGE = 5.0


class Alignment:
    """Brings candidates around the starts through a system's stages.

    Iterate it to run it; stop whenever you like; then ask for the :meth:`result`.

    Args:
        volume: the CT's attenuation.
        xrays: the views.
        starts: where it starts, and how far it looks.
        system: of which only stages and judge count, none of them waiting for a model any more.
        conditions: of the run.
        opinion: a second judge of the result, or None.

    Raises:
        GeometryError: if at no start the CT lies in the beam of every view.
    """

    def __init__(
        self,
        volume: Volume,
        xrays: Sequence[XRay],
        starts: Starts,
        system: System,
        conditions: Conditions,
        opinion: Opinion | None = None,
    ) -> None:
        self._volume = volume
        self._xrays = list(xrays)
        self._starts = starts
        self._system = system
        self._conditions = conditions
        self._opinion = opinion
        check_beam(volume, self._xrays, starts.poses)
        extent = starts.reach.in_plane_mm if starts.candidates > 1 else 0.25 * starts.reach.in_plane_mm
        self._levels = Levels(volume, self._xrays, starts.poses[0], extent, conditions.kernel)
        self._history: list[Progress] = []
        self._poses = starts.poses
        self._costs = torch.full((len(starts.poses),), float("inf"), dtype=torch.float64)
        self._rivals: list[Optimum] = []
        self._look: Look = system.stages[0].look if system.stages else system.judge.look
        self._converged = False
        self._finished = False
        self._seconds = 0.0

    def __iter__(self) -> Iterator[Progress]:
        began = time.perf_counter()
        stages = self._system.stages
        if not stages:
            self._take_the_best_start()
        attempt, optima = 0, list[Optimum]()
        candidates = self._candidates(attempt)
        level = 0
        while level < len(stages):
            stage = stages[level]
            self._look = stage.look
            objective = self._levels.objective(stage.look)
            for step in stage.optimizer.steps(objective, objective.state(candidates)):
                self._poses, self._costs = step.poses, step.cost
                words = f"{stage.name} {stage.look.size}"
                progress = self._progress(step, level, words, time.perf_counter() - began)
                self._history.append(progress)
                self._seconds = progress.seconds
                yield progress
                self._converged = bool(step.done[int(step.cost.argmin())])
            ranked = self._distinct(self._poses, self._costs)
            if stage.gate < float("inf"):
                optima += ranked
                ranked = self._distinct(torch.stack([p for p, _ in optima]), torch.tensor([c for _, c in optima]))
                if ranked[0][1] > stage.gate and attempt < self._system.retries:
                    attempt += 1
                    candidates, level = self._candidates(attempt), 0
                    continue
            if level == len(stages) - 1 or len(ranked) > 1:
                self._rivals = ranked
            worst = stage.prune * max(ranked[0][1], 0.0)
            candidates = torch.stack([pose for pose, cost in ranked[: stage.keep] if cost <= worst])
            self._poses, self._costs = ranked[0][0][None], torch.tensor([ranked[0][1]], dtype=torch.float64)
            level += 1
        self._seconds = time.perf_counter() - began
        self._finished = True

    def _take_the_best_start(self) -> None:
        """Of a system without stages: the start that its judge likes best."""
        objective = self._levels.objective(self._look)
        model, _ = objective.renew(objective.linearize(objective.state(self._starts.poses), jacobian=False))
        self._rivals = self._distinct(self._starts.poses, model.cost)
        (pose, cost), self._converged = self._rivals[0], True
        self._poses, self._costs = pose[None], torch.tensor([cost], dtype=torch.float64)

    def _candidates(self, attempt: int) -> Tensor:
        starts, seed = self._starts, self._conditions.seed + attempt
        return spread_poses(starts.poses, self._volume.center, starts.reach, starts.candidates * 4**attempt, seed)

    def result(self) -> Result:
        """The result so far; of a run that was stopped, the verdict says so.

        Raises:
            InputError: before the first step.
        """
        if not self._history and not self._finished:
            raise InputError("The registration has not begun: iterate it first.")
        began = time.perf_counter()
        best = int(self._costs.argmin())
        pose = self._poses[best]
        objective = self._levels.objective(self._look)
        state = objective.state(pose[None])
        model, weights = objective.renew(objective.linearize(state))
        views = self._view_results(objective, model)
        own_covariance = covariance(model, [view.weights for view in views])
        verdict_cost = self._verdict_cost(pose)
        verdict = judge(
            pose,
            verdict_cost,
            min(float(((v.drr > 1e-3) & v.mask).sum() / v.mask.sum().clamp(min=1)) for v in views),
            numerical_curvature(objective, state, weights) if model.curvature is None else model.curvature[0],
            self._rivals,
            0.0 if self._converged else self._last_movement(),
            self._strayed(pose),
            self._starts.leeway,
            self._volume.center,
            self._levels.length,
            self._system.judge,
        )
        if self._opinion is not None and (doubt := self._opinion.of(pose, self._levels)) is not None:
            verdict = verdict.refused(doubt)
        if not self._finished:
            verdict = Verdict(False, ("Stopped before the end.", *verdict.reasons), verdict.remarks)
        return Result(
            pose=pose,
            cost=float(model.cost[0]),
            verdict_cost=verdict_cost,
            history=tuple(self._history),
            covariance=own_covariance,
            depth_sd_mm=depth_deviation(own_covariance, self._xrays[0].view),
            verdict=verdict,
            views=views,
            seconds=self._seconds + time.perf_counter() - began,
            candidates=tuple(self._rivals),
        )

    def _verdict_cost(self, pose: Tensor) -> float:
        """Of the final pose, as the judge looks at it."""
        objective = self._levels.objective(self._system.judge.look)
        model, _ = objective.renew(objective.linearize(objective.state(pose[None]), jacobian=False))
        return float(model.cost[0])

    def _last_movement(self) -> float:
        """mm, over the last few iterations of the stage that the registration ended in."""
        last = self._history[-1]
        recent = [step for step in self._history[-1 - _LAST_STEPS :] if step.level == last.level]
        apart = pose_distance(recent[0].pose[None], last.pose[None], self._volume.center, self._levels.length)
        return float(apart[0])

    def _strayed(self, pose: Tensor) -> float:
        """How far the pose lies from the nearest start, in search ranges, along or about the worst axis."""
        starts, extent = self._starts.poses, self._starts.reach
        if self._starts.candidates < 2:
            return 0.0
        turn = self._xrays[0].view.camera_from_rig[:3, :3]
        twists = se3.difference_about(pose.expand_as(starts), starts, self._volume.center)
        rotation = torch.rad2deg(twists[:, :3] @ turn.T).abs() / max(extent.rotation_deg, SMALLEST_RANGE)
        in_plane, depth = (max(n, SMALLEST_RANGE) for n in (extent.in_plane_mm, extent.depth_mm))
        shift = (twists[:, 3:] @ turn.T).abs() / torch.tensor([in_plane, in_plane, depth], dtype=torch.float64)
        return float(torch.cat([rotation, shift], dim=1).amax(1).min())

    def _progress(self, step: Step, level: int, stage: str, seconds: float) -> Progress:
        best = int(step.cost.argmin())
        return Progress(
            pose=step.poses[best],
            cost=float(step.cost[best]),
            damping=float(step.damping[best]),
            stage=stage,
            level=level,
            levels=len(self._system.stages),
            iteration=step.iteration,
            seconds=seconds,
        )

    def _distinct(self, poses: Tensor, costs: Tensor) -> list[Optimum]:
        return distinct(poses, costs, self._volume.center, self._levels.length)

    def _view_results(self, objective: Objective, model: Linearization) -> tuple[ViewResult, ...]:
        results = []
        for item, xray, seen in zip(objective.views, self._levels.xrays(self._look), model.memory, strict=True):
            full = torch.from_numpy(xray.image)[None, None]
            size = (item.view.height, item.view.width)
            results.append(
                ViewResult(
                    view=item.view,
                    xray=torch.nn.functional.interpolate(full, size=size, mode="area")[0, 0],
                    drr=seen.images[0].cpu(),
                    residual=seen.term.magnitude[0].cpu(),
                    weights=seen.weights[0].cpu(),
                    mask=(item.fixed.support > 0).cpu(),
                )
            )
        return tuple(results)
