"""The other side as a second hypothesis: nobody knows whether the beam came from the front or from behind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Initializer, Making
from SphericalRegLib.initialization.known import Known
from SphericalRegLib.initialization.search import SearchRange


@dataclass(frozen=True)
class OppositeSide:
    """Another initializer's starts, and each of them with the beam through the patient the other way.

    Attributes:
        of: the other initializer.
    """

    of: Initializer = field(default_factory=Known)

    @property
    def needs_model(self) -> bool:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return self.of.needs_model

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        starts = yield from self.of.start(case, conditions)
        view, center = case.xrays[0].view, case.volume.center
        behind = torch.stack([opposite_pose(pose, view, center) for pose in starts.poses])
        words = f"{starts.origin}, and the same from the opposite side"
        return replace(starts, poses=torch.cat([starts.poses, behind]), origin=words)

    def searching(self, reach: SearchRange | None = None, candidates: int | None = None) -> OppositeSide:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        return OppositeSide(self.of.searching(reach, candidates))


def opposite_pose(pose: Tensor, view: View, isocenter: Tensor) -> Tensor:
    """A pose (4, 4) rig_from_world with the patient turned by half a turn in front of a view.

    About the image's vertical axis, at the isocenter's (3,) depth: there the patient looks like his mirror image, but
    for perspective.
    """
    return se3.inverse(view.camera_from_rig) @ turned_around(view.camera_from_world(pose), isocenter)


def turned_around(camera: Tensor, isocenter: Tensor) -> Tensor:
    """A pose camera_from_world (4, 4) after half a turn about the camera's y axis at the isocenter's depth: x becomes
    −x."""
    depth = float(se3.transform_points(camera, isocenter[None])[0, 2])
    turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64))
    turn[2, 3] = 2 * depth
    return turn @ camera
