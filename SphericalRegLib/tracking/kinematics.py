"""Bodies against one another: relative poses, joint angles and translations about anatomical frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.cardan import cardan_angles, cardan_axes
from SphericalRegLib.tracking.track import Track


@dataclass(frozen=True)
class Joint:
    """Two bodies of which one moves against the other.

    Attributes:
        proximal, distal: their names.
        order: of the axes about which the distal one turns. "xyz", with x to the side, y to the front and z along the
            bone, is Grood and Suntay's: flexion, adduction, axial rotation.

    Raises:
        InputError: for a joint of a body with itself.
    """

    proximal: str
    distal: str
    order: str = "xyz"

    def __post_init__(self) -> None:
        if self.proximal == self.distal:
            raise InputError(f"A joint of {self.proximal!r} with itself: name two bodies.")

    @property
    def name(self) -> str:
        """Of both."""
        return f"{self.proximal} - {self.distal}"


@dataclass(frozen=True, eq=False)
class JointMotion:
    """A joint in one frame.

    Attributes:
        proximal_from_distal: (4, 4) between the anatomical frames, mm.
        angles_deg: about the three axes, in their order.
        shifts_mm: of the distal frame's origin against the proximal one's, along the same three axes, which are not
            normal to each other: the first fixed in the proximal frame, the second floating, the third fixed in the
            distal one.
    """

    proximal_from_distal: Tensor
    angles_deg: tuple[float, float, float]
    shifts_mm: tuple[float, float, float]


def joint_motions(track: Track, joint: Joint, anatomical: Mapping[str, Tensor]) -> list[JointMotion | None]:
    """A joint in each frame; None where one of its bodies was not tracked.

    Args:
        track: of both bodies.
        joint: of two of them.
        anatomical: {name: (4, 4) world_from_anatomical} of both, CT's world, mm.

    Raises:
        InputError: for a body without an anatomical frame, or one that is not in the track.
    """
    frames = []
    for name in (joint.proximal, joint.distal):
        if name not in anatomical:
            raise InputError(f"The body {name!r} has no anatomical frame: give its landmarks, or take its inertia.")
        frames.append(anatomical[name])
    pairs = zip(track.poses(joint.proximal), track.poses(joint.distal), strict=True)
    return [
        None if first is None or second is None else motion_of(first @ frames[0], second @ frames[1], joint.order)
        for first, second in pairs
    ]


def motion_of(proximal: Tensor, distal: Tensor, order: str) -> JointMotion:
    """Of two anatomical frames (4, 4) in one rig."""
    relative = se3.inverse(proximal) @ distal
    angles = cardan_angles(relative[:3, :3], order)
    shifts = (cardan_axes(angles, order) @ relative[:3, 3]).tolist()
    degrees = torch.rad2deg(angles).tolist()
    return JointMotion(relative, (degrees[0], degrees[1], degrees[2]), (shifts[0], shifts[1], shifts[2]))


def relative_poses(track: Track, body: str, to: str) -> list[Tensor | None]:
    """(4, 4) of each frame: a body's motion in the CT's world as another one sees it, ``inverse(P_to) @ P_body``; the
    identity where both lie as in the CT. None where one of them was not tracked."""
    pairs: Sequence[tuple[Tensor | None, Tensor | None]] = list(zip(track.poses(body), track.poses(to), strict=True))
    return [None if one is None or other is None else se3.inverse(other) @ one for one, other in pairs]
