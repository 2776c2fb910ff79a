"""Bodies through a sequence: predict, align, judge; search anew what is lost; then backward through the gaps."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.initialization import Conditions, SearchRange
from SphericalRegLib.initialization.search import spread_poses
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.optimization.prior import MotionPrior, Prior
from SphericalRegLib.optimization.problem import Step
from SphericalRegLib.registration.judging.uncertainty import NORMAL_HALF_WIDTH
from SphericalRegLib.registration.system import System
from SphericalRegLib.threads import quietly
from SphericalRegLib.tracking.appraisal import appraised
from SphericalRegLib.tracking.body_levels import BodyLevels
from SphericalRegLib.tracking.calibration import CalibrationDoubt, refined_views
from SphericalRegLib.tracking.expectation import Motion, Sighting, of_motion, of_neighbors, predicted
from SphericalRegLib.tracking.joint import Aligned, align
from SphericalRegLib.tracking.memory import Forgetful, TrackMemory
from SphericalRegLib.tracking.track import FrameResult, Track

#: {frame: {name of a body: (4, 4) rig_from_world}}: poses that somebody knows.
Keyframes = Mapping[int, Mapping[str, Tensor]]

FORWARD, BACKWARD = "forward", "backward"
_USUAL, _SEARCH = Motion(), SearchRange(15.0, 20.0, 20.0)


@dataclass(frozen=True)
class Plan:
    """How to track.

    Attributes:
        motion: of a body from one frame to the next, against what constant velocity predicts; None expects nothing.
        neighbor: the body that all others are expected near; None for none.
        neighborly: how far they may have moved relative to it, from how they lie at rest.
        search: how far around its expected pose a lost body is looked for.
        candidates: poses tried in such a search; 1 searches for nothing.
        doubt: how far the views' calibrations may be off, which are then refined with the bodies, frame by frame; None
            takes them as they are.
    """

    motion: Motion | None = _USUAL
    neighbor: str | None = None
    neighborly: Motion = _USUAL
    search: SearchRange = _SEARCH
    candidates: int = 16
    doubt: CalibrationDoubt | None = None


@dataclass(frozen=True, eq=False)
class FrameDone:
    """A frame was tracked.

    Attributes:
        result: of it.
        direction: ``"forward"`` or ``"backward"``.
        count: of frames so far, this one included.
        total: of frames that are certain to be done.
        remembered: whether it was done by a former run.
    """

    result: FrameResult
    direction: str
    count: int
    total: int
    remembered: bool = False


class Tracker:
    """Tracks bodies through a sequence.

    Iterate it to run it, stop whenever you like, then ask for the :meth:`track`. A frame depends on the frames before
    it and on nothing else, so that a run that goes on from a memory ends at the same numbers.

    Args:
        bodies: what moves.
        sequence: what is seen.
        keyframes: at least one; the first frame that has one is where tracking begins. A body that a later one names
            starts there from that pose.
        system: whose stages and judge count.
        plan: how.
        conditions: kernel, seed and tolerances.
        memory: of frames that are done.

    Raises:
        InputError: for keyframes that name other bodies or frames, or a neighbor that is none of the bodies.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        sequence: XRaySequence,
        keyframes: Keyframes,
        system: System,
        plan: Plan | None = None,
        conditions: Conditions | None = None,
        memory: TrackMemory | None = None,
    ) -> None:
        self._bodies = tuple(bodies)
        self._names = tuple(body.name for body in bodies)
        self._centers = tuple(body.volume.center for body in bodies)
        self._sequence = sequence
        self._keyframes = {frame: dict(poses) for frame, poses in keyframes.items()}
        self._system = system
        self._plan = plan or Plan()
        self._conditions = conditions or Conditions()
        self._memory: TrackMemory = memory or Forgetful()
        self._done: dict[int, FrameResult] = {}
        self._check()
        self._anchor = min(self._keyframes)

    def __iter__(self) -> Iterator[Step | FrameDone]:
        frames = list(self._sequence.frames)
        ahead = [frame for frame in frames if frame >= self._anchor]
        behind = [frame for frame in reversed(frames) if frame < self._anchor]
        total = len(frames)
        for frame in ahead:
            yield from self._remembered_or_tracked(frame, FORWARD, total)
        for frame in behind:
            yield from self._remembered_or_tracked(frame, BACKWARD, total)
        lost = [frame for frame in reversed(ahead) if not self._done[frame].tracked]
        # only where a later frame is known is there something to come back from
        again = [frame for frame in lost if any(self._done[other].tracked for other in ahead if other > frame)]
        for frame in again:
            yield from self._remembered_or_tracked(frame, BACKWARD, total + len(again))

    def track(self) -> Track:
        """What is known so far."""
        frames = tuple(self._done[frame] for frame in sorted(self._done))
        return Track(self._names, self._centers, frames)

    def _check(self) -> None:
        frames = set(self._sequence.frames)
        if not any(self._keyframes.values()):
            raise InputError("Nothing tells where the bodies are in any frame: give a pose to start from.")
        for frame, poses in self._keyframes.items():
            if frame not in frames:
                raise InputError(f"There is a keyframe for frame {frame}, which the sequence does not have.")
            if unknown := [name for name in poses if name not in self._names]:
                raise InputError(
                    f"The keyframe {frame} is of {unknown[0]!r}, which is no body: choose from "
                    f"{', '.join(self._names)}."
                )
        first = self._keyframes[min(self._keyframes)]
        if missing := [name for name in self._names if name not in first]:
            raise InputError(
                f"The first keyframe ({min(self._keyframes)}) lacks {', '.join(missing)}: give a pose of each body."
            )
        if self._plan.neighbor is not None and self._plan.neighbor not in self._names:
            raise InputError(
                f"The neighbor {self._plan.neighbor!r} is no body: choose from {', '.join(self._names)}, or none."
            )

    @quietly
    def _remembered_or_tracked(self, frame: int, direction: str, total: int) -> Generator[Step | FrameDone, None, None]:
        """One frame, from the memory where a former run has done it."""
        kept = self._memory.recall(frame, direction)
        if kept is None:
            result = yield from self._tracked(frame, direction)
            self._memory.keep(result, direction)
        else:
            result = kept
        before = self._done.get(frame)
        self._done[frame] = result if before is None else _better(before, result)
        count = len(self._done) + (before is not None)
        yield FrameDone(result, direction, count, total, remembered=kept is not None)

    def _tracked(self, frame: int, direction: str) -> Generator[Step, None, FrameResult]:
        began = time.perf_counter()
        expected, origin, gap = self._expected(frame, direction)
        try:
            xrays = self._sequence.xrays(frame)
            levels = BodyLevels(self._bodies, xrays, expected, self._conditions.kernel)
            result = yield from self._aligned(levels, expected, gap, frame)
        except (InputError, GeometryError) as error:
            # of a blank, damaged or missing frame: said, and left a gap
            return FrameResult(frame, problem=str(error), origin=origin, seconds=time.perf_counter() - began)
        searched = f"{origin}, searched anew" if result.origin else origin
        return replace(result, origin=searched, seconds=time.perf_counter() - began)

    def _aligned(
        self, levels: BodyLevels, expected: Sequence[Tensor], gap: int, frame: int
    ) -> Generator[Step, None, FrameResult]:
        stages = self._system.stages
        known = [*self._neighborly(), *self._calibration(len(levels.xrays))]
        priors = [*self._motion(expected, gap), *known]
        calibrating = self._plan.doubt is not None
        inflation = self._system.judge.calibration.plane / NORMAL_HALF_WIDTH
        aligned = yield from align(levels, stages, [pose[None] for pose in expected], priors, inflation, calibrating)
        result = self._result(levels, aligned, known, frame)
        # where nothing came before, a pose that fits may be one of several
        begins = frame == self._anchor
        if (result.tracked and not begins) or self._plan.candidates < 2:
            return result
        lost = [place for place, body in enumerate(result.bodies) if begins or not body.tracked]
        candidates = self._candidates(lost, expected, frame)
        # looked for as far as the search goes, wherever the motion led to expect them
        again = yield from align(levels, stages, candidates, known, inflation, calibrating)
        searched = self._result(levels, again, known, frame)
        return replace(_better(result, searched), origin="searched")

    def _result(self, levels: BodyLevels, aligned: Aligned, known: Sequence[Prior], frame: int) -> FrameResult:
        refined = refined_views(levels, aligned, known) if aligned.calibrations else ()
        final = levels.calibrated(aligned.calibrations) if aligned.calibrations else levels
        bodies = appraised(final, aligned, known, self._system.judge, self._conditions)
        names = tuple(xray.view.name for xray in levels.xrays)
        return FrameResult(frame, bodies, views=names, cost=aligned.cost, refined=refined)

    def _calibration(self, views: int) -> list[Prior]:
        return [] if self._plan.doubt is None else self._plan.doubt.priors(len(self._bodies), views)

    def _expected(self, frame: int, direction: str) -> tuple[list[Tensor], str, int]:
        """(4, 4) of each body, in words where they come from, and frames since they were seen."""
        known = self._keyframes.get(frame, {})
        sign = 1 if direction == FORWARD else -1
        poses, gaps = list[Tensor](), list[int]()
        for place, name in enumerate(self._names):
            if name in known:
                poses.append(known[name].to(torch.float64))
                gaps.append(1)
                continue
            last, *earlier = self._sightings(place, frame, sign)
            poses.append(predicted(last, earlier[0] if earlier else None, frame, self._centers[place]))
            gaps.append(abs(frame - last.frame))
        origin = "keyframe" if known else f"{direction} from frame {frame - sign * min(gaps)}"
        return poses, origin, max(gaps)

    def _sightings(self, place: int, frame: int, sign: int) -> list[Sighting]:
        """The last two of a body before a frame, in the order of tracking; the first keyframe where there are none."""
        sightings = [
            Sighting(number, self._done[number].bodies[place].pose)
            for number in sorted(self._done, key=lambda number: -sign * number)
            if sign * number < sign * frame and self._done[number].bodies and self._done[number].bodies[place].tracked
        ]
        return sightings[:2] or [
            Sighting(self._anchor, self._keyframes[self._anchor][self._names[place]].to(torch.float64))
        ]

    def _motion(self, expected: Sequence[Tensor], gap: int) -> list[MotionPrior]:
        if self._plan.motion is None:
            return []
        return of_motion(range(len(self._bodies)), expected, self._plan.motion, gap)

    def _neighborly(self) -> list[MotionPrior]:
        if self._plan.neighbor is None:
            return []
        neighbor = self._names.index(self._plan.neighbor)
        first = self._keyframes[self._anchor]
        # how they lie to one another at rest is what the first keyframe says
        frame = se3.inverse(first[self._plan.neighbor].to(torch.float64))
        rest = [frame @ first[name].to(torch.float64) for name in self._names]
        return of_neighbors(range(len(self._bodies)), neighbor, rest, self._plan.neighborly)

    def _candidates(self, lost: Sequence[int], expected: Sequence[Tensor], frame: int) -> list[Tensor]:
        """(B, 4, 4) of each body: those that are lost spread about where they are expected, every second time all by
        the same motion, as if the patient had moved, else each by its own."""
        count, seed, reach = self._plan.candidates, self._conditions.seed + frame, self._plan.search
        pivot = lost[0]
        alike = spread_poses(expected[pivot][None], self._centers[pivot], reach, count, seed) @ se3.inverse(
            expected[pivot]
        )
        together = torch.arange(count) % 2 == 0
        candidates = []
        for place, pose in enumerate(expected):
            if place not in lost:
                candidates.append(pose.expand(count, 4, 4))
                continue
            own = spread_poses(pose[None], self._centers[place], reach, count, seed + 1000 * (place + 1))
            candidates.append(torch.where(together[:, None, None], alike @ pose, own))
        return candidates


def _better(first: FrameResult, second: FrameResult) -> FrameResult:
    """The one that tracks more bodies; of two that track as many the one that costs less."""

    def rank(result: FrameResult) -> tuple[int, float]:
        return (-sum(body.tracked for body in result.bodies), result.cost)

    return min(first, second, key=rank)
