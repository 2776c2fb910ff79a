"""A registration: the four parts put together, as an iterator of steps that a caller may stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.search import spread_poses
from SphericalRegLib.optimization.numerical import numerical_curvature
from SphericalRegLib.optimization.objective import Objective
from SphericalRegLib.optimization.problem import Linearization, Step
from SphericalRegLib.optimization.state import pose_distance
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.result import Progress, Result, Verdict, ViewResult
from SphericalRegLib.registration.settings import Settings
from SphericalRegLib.registration.verdict import judge
from SphericalRegLib.rendering import render
from SphericalRegLib.threads import quietly

# Candidates closer than this are one optimum.
_SAME_MM = 3.0
# A pose has come to rest that moved no more than the threshold over so many iterations.
_LAST_STEPS = 3
# Degrees or mm: a search of less is none.
_SMALLEST_RANGE = 5.0


class Registration:
    """Registers a CT to one or several X-rays that share one pose.

    Iterate it to run it; stop whenever you like; then ask for the :meth:`result`. Deterministic for given input and
    settings on one device.

    Args:
        volume: the CT's attenuation.
        xrays: the views.
        starts: (S, 4, 4) rig_from_world, one or several hypotheses (AP and PA, say).
        settings: all choices.

    Raises:
        InputError: without an X-ray or a start.
        GeometryError: if at no start the CT lies in the beam of every view.
    """

    @quietly
    def __init__(self, volume: Volume, xrays: Sequence[XRay], starts: Tensor, settings: Settings | None = None) -> None:
        if not xrays:
            raise InputError("There is no X-ray to register to.")
        starts = torch.as_tensor(starts, dtype=torch.float64).reshape(-1, 4, 4)
        if starts.shape[0] == 0:
            raise InputError("There is no pose to start from: give one, a preset, angles or landmarks.")
        self._settings = settings or Settings()
        self._volume = volume
        self._xrays = list(xrays)
        self._starts = starts
        self._check_beam()
        chosen = self._settings
        extent = chosen.range.in_plane_mm if chosen.candidates > 1 else 0.25 * chosen.range.in_plane_mm
        self._levels = Levels(volume, self._xrays, starts[0], chosen.footprint_mm, extent, chosen.kernel)
        self._history: list[Progress] = []
        self._poses = starts
        self._costs = torch.full((starts.shape[0],), float("inf"), dtype=torch.float64)
        self._rivals: list[tuple[Tensor, float]] = []
        self._objective: Objective | None = None
        self._judging: Objective | None = None
        self._converged = False
        self._finished = False
        self._seconds = 0.0

    @quietly
    def __iter__(self) -> Iterator[Progress]:
        began = time.perf_counter()
        settings = self._settings
        attempt, found = 0, list[tuple[Tensor, float]]()
        poses = self._candidates(attempt)
        level = 0
        while level < len(settings.stages):
            stage = settings.stages[level]
            objective = self._levels.objective(stage)
            self._objective = objective
            if stage.gate < float("inf") or not any(s.gate < float("inf") for s in settings.stages):
                self._judging = objective
            for step in stage.optimizer.steps(objective, objective.state(poses)):
                self._poses, self._costs = step.poses, step.cost
                progress = self._progress(step, level, f"{stage.name} {stage.size}", time.perf_counter() - began)
                self._history.append(progress)
                self._seconds = progress.seconds
                yield progress
                self._converged = bool(step.done[int(step.cost.argmin())])
            ranked = self._distinct(self._poses, self._costs)
            if stage.gate < float("inf"):
                found += ranked
                ranked = self._distinct(torch.stack([p for p, _ in found]), torch.tensor([c for _, c in found]))
                if ranked[0][1] > stage.gate and attempt < settings.retries:
                    attempt += 1
                    poses, level = self._candidates(attempt), 0
                    continue
            if level == len(settings.stages) - 1 or len(ranked) > 1:
                self._rivals = ranked
            worst = stage.prune * ranked[0][1]
            poses = torch.stack([pose for pose, cost in ranked[: stage.keep] if cost <= worst])
            level += 1
        self._poses, self._costs = ranked[0][0][None], torch.tensor([ranked[0][1]], dtype=torch.float64)
        self._seconds = time.perf_counter() - began
        self._finished = True

    def _candidates(self, attempt: int) -> Tensor:
        settings = self._settings
        count = settings.candidates * 4**attempt
        return spread_poses(self._starts, self._volume.center, settings.range, count, settings.seed + attempt)

    @quietly
    def result(self) -> Result:
        """The result so far; of a run that was stopped, the verdict says so.

        Raises:
            InputError: before the first step.
        """
        if self._objective is None:
            raise InputError("The registration has not begun: iterate it first.")
        began = time.perf_counter()
        best = int(self._costs.argmin())
        pose = self._poses[best]
        state = self._objective.state(pose[None])
        model, weights = self._objective.renew(self._objective.linearize(state))
        views = self._view_results(self._objective, model)
        cost = float(model.cost[0])
        verdict_cost = self._verdict_cost(pose)
        covariance = self._covariance(model, views)
        verdict = judge(
            pose,
            verdict_cost,
            min(float(((v.drr > 1e-3) & v.mask).sum() / v.mask.sum().clamp(min=1)) for v in views),
            numerical_curvature(self._objective, state, weights) if model.curvature is None else model.curvature[0],
            self._rivals,
            0.0 if self._converged else self._last_movement(),
            self._strayed(pose),
            self._volume.center,
            self._levels.length,
            self._settings.thresholds,
        )
        if (doubt := self._second_opinion(pose)) is not None:
            verdict = Verdict(False, (*verdict.reasons, doubt))
        if not self._finished:
            verdict = Verdict(False, ("Stopped before the end.", *verdict.reasons))
        return Result(
            pose=pose,
            cost=cost,
            verdict_cost=verdict_cost,
            history=tuple(self._history),
            covariance=covariance,
            depth_sd_mm=self._depth_deviation(covariance),
            verdict=verdict,
            views=views,
            seconds=self._seconds + time.perf_counter() - began,
            candidates=tuple(self._rivals),
        )

    def _verdict_cost(self, pose: Tensor) -> float:
        """Of the final pose at the stage that judges."""
        judge = self._settings.judge
        objective = self._judging or self._objective if judge is None else self._levels.objective(judge)
        assert objective is not None
        model, _ = objective.renew(objective.linearize(objective.state(pose[None]), jacobian=False))
        return float(model.cost[0])

    def _second_opinion(self, pose: Tensor) -> str | None:
        """What another similarity has against the pose."""
        opinion = self._settings.opinion
        if opinion is None:
            return None
        objective = self._levels.objective(opinion.stage)
        cost = float(objective.linearize(objective.state(pose[None]), jacobian=False).cost[0])
        if cost <= opinion.limit:
            return None
        return (
            f"The learned similarity disagrees: its cost is {cost:.2g}, where right poses stay below "
            f"{opinion.limit:.2g}. Wrong pose, or an X-ray unlike those the model was trained on."
        )

    def _last_movement(self) -> float:
        """mm, over the last few iterations of the stage that the registration ended in."""
        last = self._history[-1]
        recent = [step for step in self._history[-1 - _LAST_STEPS :] if step.level == last.level]
        apart = pose_distance(recent[0].pose[None], last.pose[None], self._volume.center, self._levels.length)
        return float(apart[0])

    def _strayed(self, pose: Tensor) -> float:
        """How far the pose lies from the nearest start, in search ranges, along or about the worst axis."""
        extent = self._settings.range
        if self._settings.candidates < 2:
            return 0.0
        turn = self._xrays[0].view.camera_from_rig[:3, :3]
        twists = se3.difference_about(pose.expand_as(self._starts), self._starts, self._volume.center)
        rotation = torch.rad2deg(twists[:, :3] @ turn.T).abs() / max(extent.rotation_deg, _SMALLEST_RANGE)
        in_plane, depth = (max(n, _SMALLEST_RANGE) for n in (extent.in_plane_mm, extent.depth_mm))
        shift = (twists[:, 3:] @ turn.T).abs() / torch.tensor([in_plane, in_plane, depth], dtype=torch.float64)
        return float(torch.cat([rotation, shift], dim=1).amax(1).min())

    def _check_beam(self) -> None:
        corners = self._volume.corners()
        for xray in self._xrays:
            camera = se3.transform_points(xray.view.camera_from_world(self._starts), corners)
            if bool((camera[..., 2].amax(-1) <= 0).all()):
                raise GeometryError(
                    f"At the start the CT lies behind the X-ray source of {xray.view.name}: check the start pose and "
                    "whether it maps world (CT) to camera, in mm."
                )
            image = render(
                self._volume, xray.view.resized(16, 16), self._starts, samples=64, kernel=self._settings.kernel
            )
            if not bool((image > 0).any()):
                middle = se3.transform_points(xray.view.camera_from_world(self._starts), self._volume.center[None])
                raise GeometryError(
                    f"At the start the CT does not overlap the beam of {xray.view.name}: its isocenter is at "
                    f"{[round(x) for x in middle[0, 0].tolist()]} mm in camera coordinates, the detector at z = "
                    f"{xray.view.sdd:.0f} mm. Give another start pose, preset or angles."
                )

    def _progress(self, step: Step, level: int, stage: str, seconds: float) -> Progress:
        best = int(step.cost.argmin())
        return Progress(
            pose=step.poses[best],
            cost=float(step.cost[best]),
            damping=float(step.damping[best]),
            stage=stage,
            level=level,
            levels=len(self._settings.stages),
            iteration=step.iteration,
            seconds=seconds,
        )

    def _distinct(self, poses: Tensor, costs: Tensor) -> list[tuple[Tensor, float]]:
        """Optima that differ, best first."""
        found: list[tuple[Tensor, float]] = []
        for index in torch.argsort(costs).tolist():
            pose = poses[index]
            if not torch.isfinite(costs[index]):
                continue
            if found:
                others = torch.stack([other for other, _ in found])
                apart = pose_distance(pose.expand_as(others), others, self._volume.center, self._levels.length)
                if float(apart.min()) < _SAME_MM:
                    continue
            found.append((pose, float(costs[index])))
        if not found:
            raise GeometryError("At every candidate pose the CT left the beam: start closer.")
        return found

    def _view_results(self, objective: Objective, model: Linearization) -> tuple[ViewResult, ...]:
        results = []
        for item, xray, seen in zip(objective.views, self._levels.xrays, model.memory, strict=True):
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

    def _covariance(self, model: Linearization, views: Sequence[ViewResult]) -> Tensor:
        """Residual variance times the inverse normal equations, over as many residuals as are independent.

        Smoothing by a Gaussian of 1 pixel leaves one independent pixel in 4π; each has two gradient components. Of a
        cost that is no sum of squares nothing is known: its variances are infinite.
        """
        if model.curvature is None:
            return torch.diag(torch.full((6,), torch.inf, dtype=torch.float64))
        effective = sum(float(v.weights.sum()) for v in views) * 2 / (4 * torch.pi)
        freedom = max(1.0, effective - 6)
        return float(model.cost[0]) / freedom * torch.linalg.pinv(model.curvature[0] / 2, hermitian=True)

    def _depth_deviation(self, covariance: Tensor) -> float:
        axis = self._xrays[0].view.camera_from_rig[2, :3]
        if not torch.isfinite(covariance).all():
            return float("inf")
        return float((axis @ covariance[3:, 3:] @ axis).clamp(min=0).sqrt())


def register(
    volume: Volume,
    xrays: Sequence[XRay],
    starts: Tensor,
    settings: Settings | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Result:
    """Run a :class:`Registration` to its end."""
    registration = Registration(volume, xrays, starts, settings)
    for step in registration:
        if on_step is not None:
            on_step(step)
    return registration.result()
