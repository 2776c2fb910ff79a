"""Poses on a grid of two of the six pose parameters, around a given pose."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import is_rigid

# Fewer points along an axis have no curvature.
_FEWEST_STEPS = 3

_LEAST_REACH_MM = 20.0


@dataclass(frozen=True)
class Parameter:
    """One of the six parameters of a pose.

    Attributes:
        index: its place in a twist (rotation, translation).
        label: in words.
        unit: rad or mm.
    """

    index: int
    label: str
    unit: str


#: By name. x points along the image's columns (unmirrored), y along its rows, z along the beam to the detector.
PARAMETERS = {
    "rx": Parameter(0, "rotation about x", "rad"),
    "ry": Parameter(1, "rotation about y", "rad"),
    "rz": Parameter(2, "rotation about the beam", "rad"),
    "tx": Parameter(3, "shift along x", "mm"),
    "ty": Parameter(4, "shift along y", "mm"),
    "tz": Parameter(5, "shift along the beam", "mm"),
}


@dataclass(frozen=True)
class Axis:
    """One side of the grid: a parameter from ``-extent`` to ``extent``; an odd number of steps has one at 0.

    Attributes:
        parameter: its name, a key of :data:`PARAMETERS`.
        extent: how far to either side of the pose, rad or mm.
        steps: how many values, both ends included.

    Raises:
        InputError: for an unknown parameter, an extent that is not above 0, or fewer than three steps.
    """

    parameter: str
    extent: float
    steps: int

    def __post_init__(self) -> None:
        if self.parameter not in PARAMETERS:
            raise InputError(f"There is no pose parameter {self.parameter!r}: choose two of {', '.join(PARAMETERS)}.")
        if not (self.extent > 0 and math.isfinite(self.extent)):
            raise InputError(
                f"The extent of {self.parameter} is {self.extent} {self.unit}: give how far to either side, above 0."
            )
        if self.steps < _FEWEST_STEPS:
            raise InputError(
                f"The number of steps of {self.parameter} is {self.steps}: give at least {_FEWEST_STEPS}, better an "
                "odd number such as 41, so that the pose itself is on the grid."
            )

    @property
    def unit(self) -> str:
        """rad or mm."""
        return PARAMETERS[self.parameter].unit

    @property
    def label(self) -> str:
        """In words, with the unit: "shift along x (mm)"."""
        return f"{PARAMETERS[self.parameter].label}, {self.unit}"

    @property
    def values(self) -> NDArray[np.float64]:
        """(steps,) offsets from the pose, ascending, rad or mm."""
        return (np.arange(self.steps, dtype=np.float64) - (self.steps - 1) / 2) * (2 * self.extent / (self.steps - 1))


@dataclass(frozen=True)
class PoseGrid:
    """Poses moved by a twist with two components that are not 0: ``se3.about(twist, pose, center)``.

    Rotation and translation are those of one twist: with a rotation beside it, a shift is bent along the screw
    (the translation part of a twist, not a displacement after the rotation).

    Attributes:
        first: the parameter that the first index counts.
        second: the parameter that the second index counts.
        pose: (4, 4) rig_from_world, where both are 0.
        center: (3,) world mm, the CT's isocenter, about which poses turn.
        camera_from_rig: (4, 4) of the view in whose camera axes the parameters are meant; with one X-ray that is its
            own camera.

    Raises:
        InputError: for the same parameter twice.
        GeometryError: for a pose that is not rigid.
    """

    first: Axis
    second: Axis
    pose: Tensor
    center: Tensor
    camera_from_rig: Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))

    def __post_init__(self) -> None:
        if self.first.parameter == self.second.parameter:
            raise InputError(f"A landscape needs two different parameters, not {self.first.parameter} twice.")
        pose = torch.as_tensor(self.pose, dtype=torch.float64)
        object.__setattr__(self, "pose", pose)
        if pose.shape != (4, 4) or not is_rigid(pose):
            raise GeometryError(f"The pose of a landscape is not a rigid 4×4 matrix: {pose.tolist()}.")

    @property
    def shape(self) -> tuple[int, int]:
        """Steps of the first and the second axis."""
        return self.first.steps, self.second.steps

    @property
    def reach_mm(self) -> float:
        """How far the CT gets from its place in the middle: as the shifts go, and at least 20, for rotations move its
        ends."""
        return max([_LEAST_REACH_MM, *(axis.extent for axis in (self.first, self.second) if axis.unit == "mm")])

    def __len__(self) -> int:
        return self.first.steps * self.second.steps

    def twists(self, start: int = 0, stop: int | None = None) -> Tensor:
        """(B, 6) float64, radians and mm in camera axes, of grid points ``start`` to ``stop``, the second axis first
        to advance."""
        flat = np.arange(len(self))[start:stop]
        i, j = np.unravel_index(flat, self.shape)
        twists = torch.zeros(len(flat), 6, dtype=torch.float64)
        twists[:, PARAMETERS[self.first.parameter].index] = torch.from_numpy(self.first.values[i])
        twists[:, PARAMETERS[self.second.parameter].index] = torch.from_numpy(self.second.values[j])
        return twists

    def poses(self, start: int = 0, stop: int | None = None) -> Tensor:
        """(B, 4, 4) rig_from_world of the same grid points."""
        twists = self.twists(start, stop)
        # the same motion, told in the rig's axes
        turn = self.camera_from_rig[:3, :3].to(twists)
        turned = torch.cat([twists[:, :3] @ turn, twists[:, 3:] @ turn], dim=-1)
        return se3.about(turned, self.pose.expand(len(turned), 4, 4), self.center)
