"""From starts to a pose: candidates through the stages of a system, as an iterator of steps that a caller may stop."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

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
from SphericalRegLib.optimization.problem import Linearization, Optimizer, Step
from SphericalRegLib.optimization.state import pose_distance
from SphericalRegLib.optimization.table import at_most
from SphericalRegLib.registration.beam import check_beam
from SphericalRegLib.registration.judging.contest import Contest
from SphericalRegLib.registration.judging.geometry_doubt import geometry_covariance
from SphericalRegLib.registration.judging.opinion import Opinion
from SphericalRegLib.registration.judging.rivals import Rival, doubt
from SphericalRegLib.registration.judging.sharpness import sharpness
from SphericalRegLib.registration.judging.uncertainty import covariance, depth_deviation, half_widths, widened
from SphericalRegLib.registration.judging.verdict import judge
from SphericalRegLib.registration.levels import Levels
from SphericalRegLib.registration.look import Look
from SphericalRegLib.registration.optima import SAME_MM, Optimum, distinct, going_on
from SphericalRegLib.registration.result import Progress, Result, ViewResult
from SphericalRegLib.registration.survey import NOWHERE, Survey, Surveyed, look_around
from SphericalRegLib.registration.system import Stage, System

# A pose has come to rest that moved no more than the threshold over so many iterations, or over this share of its
# stage's: narrow weights creep home from afar.
_LAST_STEPS, _LAST_SHARE = 3, 0.2
# Times that a rival may take the result's place, whose own rivals are tried then.
_MOST_EXCHANGES = 3
# What a start has become is not refined where it costs so many times more than the best at the last stage but one: the
# finest stage takes as long for it as for the best.
_HOPELESS = 3.0
# Iterations of the stages behind a gate for what still looks wrong there: it will hardly come right, and whoever waits
# for a rejection should not wait long.
_WRONG_ITERATIONS = 30
# Of a survey so many poses are looked at for each that goes on: its neighbors are the next best.
_SURVEYED_FOR_ONE = 6
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
        self._levels = Levels(volume, self._xrays, starts.poses, extent, conditions.kernel)
        self._history: list[Progress] = []
        self._poses = starts.poses
        self._costs = torch.full((len(starts.poses),), float("inf"), dtype=torch.float64)
        # each stage is a level, and so are the two that refine rivals
        self._count = len(system.stages) + (min(2, len(system.stages)) if system.rivals else 0)
        self._level = 0
        self._optima: list[Optimum] = []
        self._rivals: list[Rival] = []
        self._compared_cost = float("inf")
        self._survey_cost = float("inf")
        self._begun = starts.poses
        # by how many stages a second try is shorter than the first
        self._skipped = 0
        self._notes: tuple[str, ...] = ()
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
        candidates, of_starts = yield from self._candidates(attempt, began)
        level, wrong = 0, False
        while level < len(stages):
            stage = stages[level]
            begun = torch.cat([candidates, self._farther(candidates[0], stage.depths_mm)])
            self._level = level + self._skipped
            optimizer = at_most(stage.optimizer, _WRONG_ITERATIONS) if wrong else stage.optimizer
            yield from self._followed(stage.name, stage.look, optimizer, begun, began)
            ranked = self._distinct(self._poses, self._costs)
            from_starts = [(self._poses[place], float(self._costs[place])) for place in of_starts]
            if stage.gate < float("inf"):
                optima += ranked
                ranked = self._distinct(torch.stack([p for p, _ in optima]), torch.tensor([c for _, c in optima]))
                wrong = self._looks_wrong(*ranked[0], stage.gate)
                if wrong and attempt < self._system.retries:
                    attempt += 1
                    candidates, of_starts = yield from self._candidates(attempt, began)
                    stages, level, wrong = self._system.stages_of(attempt), 0, False
                    # the last level stays the last
                    self._skipped = len(self._system.stages) - len(stages)
                    continue
            if level == len(stages) - 1 or len(ranked) > 1:
                self._optima = ranked
            hopeless = _HOPELESS if level == len(stages) - 2 else float("inf")
            candidates, of_starts = going_on(
                ranked, from_starts, stage.keep, stage.prune, self._volume.center, self._levels.length, hopeless
            )
            if stage.also is not None:
                yield from self._followed(stage.name, stage.also, optimizer, begun, began)
                candidates = self._with_others(candidates, stage)
            self._poses, self._costs = ranked[0][0][None], torch.tensor([ranked[0][1]], dtype=torch.float64)
            level += 1
        if stages and self._system.rivals:
            yield from self._against_rivals(began)
        self._seconds = time.perf_counter() - began
        self._finished = True

    def _followed(
        self, name: str, look: Look, optimizer: Optimizer, candidates: Tensor, began: float
    ) -> Iterator[Progress]:
        """Brings candidates to where a look's cost is low."""
        self._look = look
        objective = self._levels.objective(look)
        for step in optimizer.steps(objective, objective.state(candidates)):
            self._poses, self._costs = step.poses, step.cost
            best = int(step.cost.argmin())
            shown = step.poses[best], float(step.cost[best])
            yield self._step(step, shown, self._level, f"{name} {look.size}", began)
            self._converged = bool(step.done[best])

    def _farther(self, pose: Tensor, depths_mm: Sequence[float]) -> Tensor:
        """(N, 4, 4): a pose moved away from the first view's source, along the ray through the isocenter."""
        view = self._xrays[0].view
        from_world = view.camera_from_world(pose)
        ray = torch.nn.functional.normalize(se3.transform_points(from_world, self._volume.center[None])[0], dim=0)
        along = torch.tensor(depths_mm, dtype=torch.float64)[:, None] * ray
        return se3.inverse(view.camera_from_rig) @ se3.translation(along) @ from_world

    def _with_others(self, candidates: Tensor, stage: Stage) -> Tensor:
        """Candidates of the next stage, and those that the stage's other look found elsewhere."""
        center, length = self._volume.center, self._levels.length
        if not bool(torch.isfinite(self._costs).any()):
            # it lost all of them; the stage's own look did not
            return candidates
        ranked = self._distinct(self._poses, self._costs)
        others, _ = going_on(ranked, [], stage.keep, stage.prune, center, length)
        apart = [pose_distance(other.expand_as(candidates), candidates, center, length).min() for other in others]
        return torch.cat([candidates, others[torch.stack(apart) >= SAME_MM]])

    def _against_rivals(self, began: float) -> Iterator[Progress]:
        """As long as a pose that is easily confused with the result fits better, that is the result."""
        stages, mm = self._system.stages, self._system.judge.limits.rival_mm
        for _ in range(_MOST_EXCHANGES):
            pose, cost = self._poses[0], float(self._costs[0])
            contest = Contest(self._volume, self._xrays, stages, pose, self._starts.poses, mm, self._conditions.kernel)
            for stage, step in contest:
                last, best = stage is stages[-1], int(step.cost.argmin())
                level = self._count - 1 if last else self._count - 2
                shown = (step.poses[best], float(step.cost[best])) if last else (pose, cost)
                yield self._step(step, shown, level, f"rivals {stage.look.size}", began)
            self._rivals, self._compared_cost = contest.rivals, contest.cost
            if contest.won_by is None:
                return
            self._poses, self._costs = contest.pose[None], torch.tensor([contest.cost], dtype=torch.float64)
            self._converged, self._level, self._levels = contest.converged, self._count - 1, contest.levels
            self._optima = [(contest.pose, contest.cost), *self._optima[1:]]
            self._begun = torch.cat([self._begun, contest.won_by.pose[None]])
            self._notes += (
                f"The pose that the search ended at costs {contest.given_cost:.3f}; one {contest.won_by.words} fits "
                f"better ({contest.cost:.3f}) and is the result.",
            )

    def _take_the_best_start(self) -> None:
        """Of a system without stages: the start that its judge likes best."""
        objective = self._levels.objective(self._look)
        model, _ = objective.renew(objective.linearize(objective.state(self._starts.poses), jacobian=False))
        self._optima = self._distinct(self._starts.poses, model.cost)
        (pose, cost), self._converged = self._optima[0], True
        self._poses, self._costs = pose[None], torch.tensor([cost], dtype=torch.float64)

    def _candidates(self, attempt: int, began: float) -> Generator[Progress, None, tuple[Tensor, list[int]]]:
        """Poses (B, 4, 4) around the starts, and the starts' own places among them."""
        starts, seed = self._starts, self._conditions.seed + attempt
        if self._system.survey is None or starts.candidates == 1 or not self._system.stages:
            poses = spread_poses(starts.poses, self._volume.center, starts.reach, starts.candidates * 4**attempt, seed)
            return poses, list(range(0, len(poses), len(poses) // len(starts.poses)))
        surveyed = yield from self._surveyed(self._system.survey, attempt, began)
        return torch.cat([starts.poses, surveyed]), list(range(len(starts.poses)))

    def _surveyed(self, survey: Survey, attempt: int, began: float) -> Generator[Progress, None, Tensor]:
        """The best poses (B, 4, 4) of a look around, as many as there are to be candidates."""
        times, batches = 4**attempt, list[Surveyed]()
        for batch in look_around(survey, self._levels.objective, self._starts, self._conditions.seed + attempt, times):
            batches = [*(one for one in batches if one.size == batch.size), batch]
            best = min(batches, key=lambda one: float(one.cost.min()))
            place, words = int(best.cost.argmin()), f"survey {batch.size}"
            yield self._told(
                best.poses[place], float(best.cost[place]), 0.0, len(batches) - 1, self._level, words, began
            )
        poses, costs = torch.cat([batch.poses for batch in batches]), torch.cat([batch.cost for batch in batches])
        self._survey_cost = min(self._survey_cost, float(costs.min()))
        # a second look is four times as close, and goes on with twice as many
        count = self._starts.candidates * len(self._starts.poses) * 2**attempt
        # no more of them than could be distinct: each is compared with those before it
        best_first = torch.argsort(costs)[: _SURVEYED_FOR_ONE * count]
        visible = best_first[costs[best_first] < NOWHERE]
        if len(visible) == 0:
            return poses[:0]
        ranked = distinct(poses[visible], costs[visible], self._volume.center, self._levels.length, survey.apart_mm)
        return torch.stack([pose for pose, _ in ranked[:count]])

    def result(self) -> Result:
        """The result so far; of a run that was stopped, the verdict says so.

        Raises:
            InputError: before the first step.
        """
        if not self._history and not self._finished:
            raise InputError("The registration has not begun: iterate it first.")
        began = time.perf_counter()
        pose = self.pose
        objective = self._levels.objective(self._look)
        state = objective.state(pose[None])
        model, weights = objective.renew(objective.linearize(state))
        views = self._view_results(objective, model)
        depth_known = len(self._xrays) > 1 or self._system.judge.look.footprint_mm is None
        own_covariance = covariance(model, [view.weights for view in views])
        geometries = [one.view for one in self._xrays]
        of_images = half_widths(own_covariance, geometries, self._system.judge.calibration)
        intervals = widened(of_images, geometry_covariance(self._volume, geometries, pose), geometries[0])
        verdict_cost, limits = self._verdict_cost(pose), self._system.judge.limits
        verdict = judge(
            pose,
            verdict_cost,
            min(float(((v.drr > 1e-3) & v.mask).sum() / v.mask.sum().clamp(min=1)) for v in views),
            numerical_curvature(objective, state, weights) if model.curvature is None else model.curvature[0],
            self._optima,
            0.0 if self._converged else self._last_movement(),
            self._strayed(pose),
            self._starts.leeway,
            self._volume.center,
            self._levels.length,
            replace(self._system.judge, limits=limits.of_views(len(self._xrays))),
            intervals,
            of_images,
            self._conditions,
            self._sharpness(pose),
        )
        if (likeness := doubt(self._rivals, self._compared_cost, limits.rival_cost)) is not None:
            verdict = verdict.refused(likeness)
        if self._opinion is not None and (second := self._opinion.of(pose, self._levels)) is not None:
            verdict = verdict.refused(second)
        if not self._finished:
            stopped = "Stopped before the end."
            verdict = replace(
                verdict,
                accepted=False,
                plane_only=False,
                reasons=(stopped, *verdict.reasons),
                refusals=(stopped, *verdict.refusals),
            )
        return Result(
            pose=pose,
            cost=float(model.cost[0]),
            verdict_cost=verdict_cost,
            history=tuple(self._history),
            covariance=own_covariance,
            half_widths=intervals,
            of_images=of_images,
            intervals_from="simulated clinical X-rays of other patients",
            depth_sd_mm=depth_deviation(own_covariance, self._xrays[0].view) if depth_known else float("inf"),
            verdict=verdict,
            views=views,
            seconds=self._seconds + time.perf_counter() - began,
            candidates=tuple(self._optima),
            depth_known=depth_known,
        )

    @property
    def pose(self) -> Tensor:
        """(4, 4) the best so far."""
        return self._poses[int(self._costs.argmin())]

    @property
    def survey_cost(self) -> float:
        """The lowest of all poses surveyed; infinite where none were."""
        return self._survey_cost

    def likeness(self) -> tuple[float, float]:
        """Of the best pose so far: its cost as the judge looks at it, and its :func:`sharpness` (0 where the judge does
        not ask for it)."""
        return self._verdict_cost(self.pose), self._sharpness(self.pose)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of how the result came about."""
        return self._notes

    def _looks_wrong(self, pose: Tensor, cost: float, gate: float) -> bool:
        """Whether the search is to begin anew from more candidates."""
        limit = self._system.judge.limits.sharpness
        return cost > gate and (limit is None or self._sharpness(pose) > limit)

    def _sharpness(self, pose: Tensor) -> float:
        """See :func:`sharpness`, as the judge looks at neighbors; 0 where it does not."""
        own = self._system.judge
        if own.limits.sharpness is None:
            return 0.0
        return sharpness(self._levels.objective(own.neighbors or own.look), pose, self._xrays[0].view)

    def _verdict_cost(self, pose: Tensor) -> float:
        """Of the final pose, as the judge looks at it."""
        objective = self._levels.objective(self._system.judge.look)
        model, _ = objective.renew(objective.linearize(objective.state(pose[None]), jacobian=False))
        return float(model.cost[0])

    def _last_movement(self) -> float:
        """mm, over the last few iterations of the stage that the result comes from."""
        steps = [step for step in self._history if step.level == self._level]
        # not of a survey that came before it
        steps = [step for step in steps if step.stage == steps[-1].stage]
        recent = steps[-1 - max(_LAST_STEPS, round(_LAST_SHARE * len(steps))) :]
        last = recent[-1]
        apart = pose_distance(recent[0].pose[None], last.pose[None], self._volume.center, self._levels.length)
        return float(apart[0])

    def _strayed(self, pose: Tensor) -> float:
        """How far the pose lies from the nearest start, or the rival it came of, in search ranges, along or about the
        worst axis."""
        starts, extent = self._begun, self._starts.reach
        if self._starts.candidates < 2:
            return 0.0
        turn = self._xrays[0].view.camera_from_rig[:3, :3]
        twists = se3.difference_about(pose.expand_as(starts), starts, self._volume.center)
        rotation = torch.rad2deg(twists[:, :3] @ turn.T).abs() / max(extent.rotation_deg, SMALLEST_RANGE)
        in_plane, depth = (max(n, SMALLEST_RANGE) for n in (extent.in_plane_mm, extent.depth_mm))
        shift = (twists[:, 3:] @ turn.T).abs() / torch.tensor([in_plane, in_plane, depth], dtype=torch.float64)
        return float(torch.cat([rotation, shift], dim=1).amax(1).min())

    def _step(self, step: Step, shown: Optimum, level: int, stage: str, began: float) -> Progress:
        """A step of an optimizer as it is told and remembered."""
        damping = float(step.damping[int(step.cost.argmin())])
        return self._told(*shown, damping, step.iteration, level, stage, began)

    def _told(
        self, pose: Tensor, cost: float, damping: float, iteration: int, level: int, stage: str, began: float
    ) -> Progress:
        progress = Progress(
            pose=pose,
            cost=cost,
            damping=damping,
            stage=stage,
            level=level,
            levels=self._count,
            iteration=iteration,
            seconds=time.perf_counter() - began,
        )
        self._history.append(progress)
        self._seconds = progress.seconds
        return progress

    def _distinct(self, poses: Tensor, costs: Tensor) -> list[Optimum]:
        """Optima that differ, best first. Those that have left the search count only where there are no others: a part
        of a CT far from the detector is a spot, and a spot fits somewhere. Of one bone, whose depth one view does not
        tell, all count."""
        ranked = distinct(poses, costs, self._volume.center, self._levels.length)
        if self._system.judge.look.footprint_mm is not None:
            return ranked
        return [optimum for optimum in ranked if self._strayed(optimum[0]) <= self._starts.leeway] or ranked

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
