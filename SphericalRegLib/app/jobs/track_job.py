"""Tracking as a job: from bodies and a sequence to a track, in typed events. Commands run it, and a panel can."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from SphericalRegLib.app.jobs.steps import Message
from SphericalRegLib.errors import InputError
from SphericalRegLib.imaging.bodies import Body
from SphericalRegLib.initialization import Case, Conditions
from SphericalRegLib.io.sequences.contract import XRaySequence
from SphericalRegLib.registration import Registration, System
from SphericalRegLib.registration.plain import as_plain
from SphericalRegLib.registration.result import Progress
from SphericalRegLib.rendering import warm_up
from SphericalRegLib.tracking.memory import FolderMemory, digest
from SphericalRegLib.tracking.track import FrameResult, Track
from SphericalRegLib.tracking.tracker import FrameDone, Keyframes, Plan, Tracker

_PLAN, _CONDITIONS = Plan(), Conditions()


@dataclass(frozen=True, eq=False)
class TrackInputs:
    """All that tracking needs, free of any user interface.

    Attributes:
        bodies: what moves.
        sequence: what is seen.
        system: whose stages and judge count.
        keyframes: poses that somebody knows; may be empty where ``first`` finds one.
        first: how all bodies start together in the first frame: a case of the whole CT without X-rays of its own, and
            the system that registers it. None where the first keyframe tells.
        plan: how to track.
        conditions: kernel, seed and tolerances.
        folder: for the state of each frame, so that a run that was stopped goes on; None keeps nothing.
        notes: what the user should know of the inputs.
    """

    bodies: Sequence[Body]
    sequence: XRaySequence
    system: System
    keyframes: Keyframes
    first: tuple[Callable[[Sequence[Any]], Case], System] | None = None
    plan: Plan = _PLAN
    conditions: Conditions = _CONDITIONS
    folder: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FrameTracked:
    """A frame is done.

    Attributes:
        result: of it.
        direction: ``"forward"`` or ``"backward"``.
        count: of frames so far, this one included.
        total: of frames that are certain to be done.
        remembered: whether a former run did it.
        seconds_left: at the pace so far; None before two frames were timed.
    """

    result: FrameResult
    direction: str
    count: int
    total: int
    remembered: bool
    seconds_left: float | None


@dataclass(frozen=True)
class Working:
    """Within a frame: the cost so far."""

    cost: float


#: What the job yields.
TrackEvent = Message | Progress | Working | FrameTracked


class TrackJob:
    """See :class:`~SphericalRegLib.app.jobs.job.Job`. Closing its iterator cancels it; what is done stays in the
    folder.

    Args:
        inputs: of the tracking.
        clock: tells seconds.

    Raises:
        InputError: for inputs that do not fit together, or a folder of other ones.
    """

    def __init__(self, inputs: TrackInputs, clock: Callable[[], float] = time.monotonic) -> None:
        if not inputs.keyframes and inputs.first is None:
            raise InputError("Nothing tells where the bodies are in any frame: give a pose to start from.")
        self._inputs, self._clock = inputs, clock
        self._memory = None if inputs.folder is None else FolderMemory(inputs.folder, described(inputs))
        self._tracker: Tracker | None = None
        for body in inputs.bodies:
            warm_up(body.volume, inputs.conditions.kernel)

    def __iter__(self) -> Generator[TrackEvent, None, None]:
        inputs = self._inputs
        keyframes = yield from self._keyframes()
        self._tracker = Tracker(
            inputs.bodies,
            inputs.sequence,
            keyframes,
            inputs.system,
            inputs.plan,
            inputs.conditions,
            self._memory,
        )
        began, timed = self._clock(), 0
        for step in self._tracker:
            if not isinstance(step, FrameDone):
                yield Working(float(step.cost.min()))
                continue
            left = None
            if step.remembered:
                began = self._clock()
            else:
                timed += 1
                left = (self._clock() - began) / timed * (step.total - step.count) if timed > 1 else None
            yield FrameTracked(step.result, step.direction, step.count, step.total, step.remembered, left)

    def result(self) -> Track:
        """The track so far.

        Raises:
            InputError: before the first frame.
        """
        if self._tracker is None:
            raise InputError("The tracking has not begun: iterate it first.")
        settings = {**described(self._inputs), "notes": list(self._inputs.notes)}
        return replace(self._tracker.track(), settings=settings)

    def _keyframes(self) -> Generator[TrackEvent, None, Keyframes]:
        """Those that are given, and where the first frame lacks one, what registering the whole CT finds."""
        inputs = self._inputs
        if inputs.first is None:
            return inputs.keyframes
        frame = inputs.sequence.frames[0]
        pose = None if self._memory is None else self._memory.recall_start()
        if pose is None:
            make, system = inputs.first
            registration = Registration(make(inputs.sequence.xrays(frame)), system, inputs.conditions)
            for step in registration:
                if isinstance(step, Progress):
                    yield step
            result = registration.result()
            pose = result.pose
            yield Message(f"Frame {frame}: the whole CT's pose is {result.verdict.words}; all bodies start from it.")
            if self._memory is not None:
                self._memory.keep_start(pose)
        start = {body.name: pose for body in inputs.bodies}
        return {**inputs.keyframes, frame: {**start, **inputs.keyframes.get(frame, {})}}


def described(inputs: TrackInputs) -> dict[str, Any]:
    """All that results depend on, as plain data; volumes by their digests."""
    views = [
        {"name": source.name, "frames": [min(source.numbers), max(source.numbers)], "source": repr(source)}
        for source in inputs.sequence.sources
    ]
    return {
        "bodies": {
            body.name: digest(_bytes(body.volume.density), _bytes(body.volume.world_from_voxel))
            for body in inputs.bodies
        },
        "views": views,
        "frames": list(inputs.sequence.frames),
        "system": as_plain(inputs.system),
        "first": None if inputs.first is None else inputs.first[1].name,
        "plan": asdict(inputs.plan),
        "conditions": asdict(inputs.conditions),
        "keyframes": {
            str(frame): {name: pose.tolist() for name, pose in poses.items()}
            for frame, poses in inputs.keyframes.items()
        },
    }


def _bytes(tensor: Tensor) -> bytes:
    return bytes(tensor.detach().cpu().contiguous().numpy().tobytes())
