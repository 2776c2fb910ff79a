"""What tracking gives: of every frame and body a pose, how well it is known, and whether to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.registration.result import HalfWidths, Verdict


@dataclass(frozen=True, eq=False)
class BodyResult:
    """One body in one frame.

    Attributes:
        pose: (4, 4) float64 rig_from_world.
        covariance: (6, 6) of the twist about the body's isocenter, rig axes, rad and mm, from noise alone.
        half_widths: of the 95 % intervals.
        verdict: whether to trust the pose, in which directions, and why not.
        cost: of the judge's look near the body.
        sharpness: of that cost over the lowest some millimeters aside.
        shown: of each view, the share of the body's picture that falls on usable pixels, 0 to 1.
    """

    pose: Tensor
    covariance: Tensor
    half_widths: HalfWidths
    verdict: Verdict
    cost: float
    sharpness: float
    shown: tuple[float, ...]

    @property
    def tracked(self) -> bool:
        """Whether the pose is one, however exact: nothing but how well it is known speaks against it."""
        return not self.verdict.refusals


@dataclass(frozen=True)
class RefinedView:
    """A view's calibration, refined with the bodies of a frame.

    Attributes:
        name: of the view.
        focal_factor: of the focal length, against what it was.
        center_mm: how far the principal point lies from where it was, along columns and along rows.
        focal_half_width, center_half_widths_mm: of the 95 % intervals, from noise and priors alone.
        confused: in words, what the images cannot tell apart from it.
    """

    name: str
    focal_factor: float
    center_mm: tuple[float, float]
    focal_half_width: float
    center_half_widths_mm: tuple[float, float]
    confused: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FrameResult:
    """One frame.

    Attributes:
        frame: its number in the sequence.
        bodies: in the track's order; empty where nothing could be compared at all.
        problem: in words why there are none; empty otherwise.
        origin: where it was started from, in words.
        views: of the X-rays that there were.
        cost: of all bodies at the last stage.
        seconds: it took.
        refined: the views' calibrations, where they were refined.
    """

    frame: int
    bodies: tuple[BodyResult, ...] = ()
    problem: str = ""
    origin: str = ""
    views: tuple[str, ...] = ()
    cost: float = float("inf")
    seconds: float = 0.0
    refined: tuple[RefinedView, ...] = ()

    @property
    def tracked(self) -> bool:
        """Whether all bodies are."""
        return bool(self.bodies) and all(body.tracked for body in self.bodies)


@dataclass(frozen=True, eq=False)
class Track:
    """Bodies over frames.

    Attributes:
        names: of the bodies.
        centers: (3,) world mm, their isocenters, about which rotations and covariances are.
        frames: in the order of their numbers.
        settings: what was chosen, by name, for files and reports.
    """

    names: tuple[str, ...]
    centers: tuple[Tensor, ...]
    frames: tuple[FrameResult, ...]
    settings: dict[str, object] = field(default_factory=dict)

    def place(self, name: str) -> int:
        """Of a body among the others.

        Raises:
            InputError: for one that there is not.
        """
        if name not in self.names:
            raise InputError(f"There is no body {name!r} in this track: it has {', '.join(self.names)}.")
        return self.names.index(name)

    def poses(self, name: str) -> list[Tensor | None]:
        """Of a body, (4, 4) rig_from_world for each frame; None where it was not tracked: gaps stay gaps."""
        place = self.place(name)
        return [frame.bodies[place].pose if _is_tracked(frame, place) else None for frame in self.frames]

    @property
    def numbers(self) -> Sequence[int]:
        """Of the frames."""
        return [frame.frame for frame in self.frames]


def _is_tracked(frame: FrameResult, place: int) -> bool:
    return bool(frame.bodies) and frame.bodies[place].tracked
