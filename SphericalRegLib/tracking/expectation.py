"""Where bodies are expected in a frame, from the frames before it: constant velocity, and how exactly that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.prior import MotionPrior

# A motion is followed so many frames on; farther, a body is expected where it was last.
_FARTHEST = 3


@dataclass(frozen=True)
class Motion:
    """How far a body may move, as standard deviations.

    Attributes:
        rotation_deg: about each axis.
        translation_mm: along each axis.

    Raises:
        InputError: for one that is not above 0.
    """

    rotation_deg: float = 5.0
    translation_mm: float = 5.0

    def __post_init__(self) -> None:
        for name in ("rotation_deg", "translation_mm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} of a motion is {getattr(self, name)}: give a standard deviation above 0.")


@dataclass(frozen=True, eq=False)
class Sighting:
    """A body's pose (4, 4) in a frame in which it was tracked."""

    frame: int
    pose: Tensor


def predicted(last: Sighting, before: Sighting | None, frame: int, center: Tensor) -> Tensor:
    """(4, 4) where a body is expected that goes on as it moved between two sightings: its isocenter in a straight line,
    turning about one axis.

    Args:
        last, before: the last sighting and the one before it, in the order of tracking.
        frame: for which.
        center: (3,) world mm, the body's isocenter.
    """
    ahead = frame - last.frame
    if before is None or abs(ahead) > _FARTHEST or before.frame == last.frame:
        return last.pose
    share = ahead / (last.frame - before.frame)
    turn = last.pose[:3, :3] @ before.pose[:3, :3].T
    rotation = se3.so3_exp(share * se3.so3_log(turn)) @ last.pose[:3, :3]
    then, now = (se3.transform_points(one.pose, center[None])[0] for one in (before, last))
    place = now + share * (now - then)
    return se3.from_parts(rotation, place - rotation @ center)


def of_motion(places: Sequence[int], expected: Sequence[Tensor], motion: Motion, frames: int) -> list[MotionPrior]:
    """Priors on bodies' poses so many frames after the last sighting: the more, the wider."""
    steps = max(1, abs(frames))
    return [
        MotionPrior(place, expected[place], steps * motion.rotation_deg, steps * motion.translation_mm)
        for place in places
    ]


def of_neighbors(places: Sequence[int], neighbor: int, rest: Sequence[Tensor], motion: Motion) -> list[MotionPrior]:
    """Priors on bodies' motion relative to a neighbor.

    Args:
        places: of the bodies; the neighbor itself counts for nothing.
        neighbor: its place.
        rest: (4, 4) of each body, in the neighbor's frame, where it is likeliest: the identity for bones of one CT.
        motion: how far from there.
    """
    return [
        MotionPrior(place, rest[place], motion.rotation_deg, motion.translation_mm, neighbor)
        for place in places
        if place != neighbor
    ]
