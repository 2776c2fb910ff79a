"""Poses that are easily confused with a result: a tubular bone turned about its shaft or moved along it, and the other
side. A search near a wrong one of them never looks at the right one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.optimization.state import pose_distance

# Long enough to be a tube: standard deviation of its mass along the axis over that along the next one. Vertebrae, hips
# and sacra have 1.1 to 1.5, proximal femurs 2.3, distal radius and ulna 3.3 and 5.7, ribs 4 to 9.
_TUBE = 1.9
# mm along the shaft, as far as this share of its length.
_SHIFTS_MM = (10.0, 20.0, 40.0)
_FARTHEST_SHARE = 0.6
# Of the mass, left out at either end of the shaft when its length is taken.
_END_SHARE = 0.02
#: Degrees between poses that are not the same, however small the distance: a thin bone turned about its shaft hardly
#: moves.
ELSEWHERE_DEG = 30.0


@dataclass(frozen=True)
class Rival:
    """A pose that could be confused with another one.

    Attributes:
        pose: (4, 4) rig_from_world.
        words: what it is to the other one: "a pose ...".
        cost: at the last stage's look, once it is refined; infinite before.
    """

    pose: Tensor
    words: str
    cost: float = math.inf


@dataclass(frozen=True)
class Shaft:
    """The long axis of a tubular bone.

    Attributes:
        middle: (3,) world mm, of its mass.
        direction: (3,) unit vector, world.
        length: mm.
    """

    middle: Tensor
    direction: Tensor
    length: float

    @classmethod
    def of(cls, volume: Volume) -> Shaft | None:
        """By the principal axes of a volume's attenuation; None where no axis is clearly the longest."""
        density = volume.density.sum(0).cpu().to(torch.float64)
        where = torch.nonzero(density > 0)
        if len(where) < 2:
            return None
        share = density[density > 0]
        share = share / share.sum()
        points = se3.transform_points(volume.world_from_voxel.cpu(), where.flip(1).to(torch.float64))
        middle = share @ points
        centered = points - middle
        values, axes = torch.linalg.eigh(centered.T @ (share[:, None] * centered))
        if not float(values[2]) > _TUBE**2 * float(values[1]):
            return None
        along, order = torch.sort(centered @ axes[:, 2])
        below = torch.cumsum(share[order], 0)
        inside = along[(below >= _END_SHARE) & (below <= 1 - _END_SHARE)]
        return cls(middle, axes[:, 2], float(inside[-1] - inside[0])) if len(inside) else None

    def turned(self, pose: Tensor) -> Tensor:
        """A pose (4, 4) after half a turn of the bone about its long axis."""
        rotation = 2 * torch.outer(self.direction, self.direction) - torch.eye(3, dtype=torch.float64)
        return pose @ se3.from_parts(rotation, self.middle - rotation @ self.middle)

    def moved(self, pose: Tensor, mm: float) -> Tensor:
        """A pose (4, 4) with the bone moved along its long axis."""
        return pose @ se3.from_parts(torch.eye(3, dtype=torch.float64), mm * self.direction)


def confusable(volume: Volume, views: Sequence[View], pose: Tensor) -> list[Rival]:
    """Where else a bone could look nearly as it does at a pose (4, 4)."""
    rivals = []
    shaft = Shaft.of(volume)
    if shaft is not None:
        rivals.append(Rival(shaft.turned(pose), "turned by half about the bone's long axis"))
        for mm in _SHIFTS_MM:
            if mm <= _FARTHEST_SHARE * shaft.length:
                rivals += [Rival(shaft.moved(pose, sign * mm), "moved along the bone's long axis") for sign in (-1, 1)]
    others = [Rival(other_side(pose, view, volume.center), "seen from the opposite side") for view in views]
    for other in others:
        # views side by side share their vertical axis
        if all(is_elsewhere(other.pose, one.pose, volume.center, 1.0, math.inf) for one in rivals):
            rivals.append(other)
    return rivals


def other_side(pose: Tensor, view: View, center: Tensor) -> Tensor:
    """A pose (4, 4) with the bone turned by half about a view's vertical axis, in its place.

    :func:`~SphericalRegLib.initialization.opposite.opposite_pose` turns the patient about the image's middle, which
    moves a bone that lies beside it to the image's other half.

    Args:
        center: (3,) world mm, of the bone.
    """
    turn = torch.cat([math.pi * view.camera_from_rig[1, :3], torch.zeros(3, dtype=torch.float64)])
    return se3.about(turn[None], pose[None], center)[0]


def is_elsewhere(
    pose: Tensor, other: Tensor, center: Tensor, length: float, mm: float, degrees: float = ELSEWHERE_DEG
) -> bool:
    """Whether two poses (4, 4) are not the same: farther apart than some mm, or turned by more than some degrees.

    Args:
        center: (3,) world mm, about which poses are turned.
        length: mm that count as one radian.
    """
    turn = float(se3.difference_about(pose[None], other[None], center)[0, :3].norm())
    return turn > math.radians(degrees) or float(pose_distance(pose[None], other[None], center, length)[0]) > mm


def best_rivals(rivals: Sequence[Rival], pose: Tensor, center: Tensor, length: float, mm: float) -> list[Rival]:
    """Those elsewhere than a pose (4, 4) and than each other, best first; those that left the beam are dropped."""
    best: list[Rival] = []
    for rival in sorted(rivals, key=lambda one: one.cost):
        if math.isfinite(rival.cost) and all(
            is_elsewhere(rival.pose, other, center, length, mm) for other in (pose, *(one.pose for one in best))
        ):
            best.append(rival)
    return best


def doubt(rivals: Sequence[Rival], cost: float, factor: float) -> str | None:
    """Why a pose is not the only one, in words; None where no rival's cost is within a factor of its own."""
    close = [rival for rival in rivals if rival.cost < factor * cost]
    if not close:
        return None
    rival = min(close, key=lambda one: one.cost)
    return f"A pose {rival.words} fits as well ({rival.cost:.3f} against {cost:.3f})."
