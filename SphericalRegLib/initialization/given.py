"""Where to start when somebody knows: a given pose, a preset view, C-arm angles, or what DICOM says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError, InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.carm import PRESETS, pose_from_angles
from SphericalRegLib.geometry.view import View, is_rigid
from SphericalRegLib.imaging.xray import XRay
from SphericalRegLib.initialization.around import Around
from SphericalRegLib.initialization.case import Case, Conditions
from SphericalRegLib.initialization.contract import Making, Starts, at_once

# Where neither DICOM nor the user knows it: the usual place of the isocenter, as a share of the detector's distance.
_USUAL_SAD_SHARE = 0.7


@dataclass(frozen=True)
class Given(Around):
    """The poses that the user gives."""

    def start(self, case: Case, conditions: Conditions) -> Making:
        """See :class:`~SphericalRegLib.initialization.contract.Initializer`."""
        if case.poses is None:
            raise InputError("There is no pose to start from: give one, or choose a system that starts in another way.")
        poses = start_poses(case.xrays, case.volume.center, pose=case.poses)
        return at_once(Starts(poses, self.reach, self.candidates, case.poses_origin))


def start_poses(
    xrays: Sequence[XRay],
    isocenter: Tensor,
    *,
    pose: Tensor | None = None,
    preset: str | None = None,
    angles: tuple[float, float] | None = None,
) -> Tensor:
    """Poses rig_from_world (S, 4, 4) to start from, by the most specific thing that is known.

    A given pose; else a preset or angles of the first view; else what the first X-ray's DICOM header says; else both
    AP and PA.

    Args:
        xrays: the views, at least one.
        isocenter: (3,) world mm, ``volume.center``: it is put on the C-arm's axis.
        pose: (4, 4) or (S, 4, 4) rig_from_world.
        preset: one of ``carm.PRESETS``.
        angles: DICOM positioner angles (primary, secondary) in degrees.

    Raises:
        GeometryError: for more than one kind of start, a pose that is not rigid, or an unknown preset.
    """
    given = [name for name, value in (("pose", pose), ("preset", preset), ("angles", angles)) if value is not None]
    if len(given) > 1:
        raise GeometryError(f"The start was given twice, by {' and '.join(given)}: leave one out.")
    if pose is not None:
        poses = torch.as_tensor(pose, dtype=torch.float64).reshape(-1, 4, 4)
        for one in poses:
            if not is_rigid(one):
                raise GeometryError(f"The start pose is not a rigid 4×4 matrix: {one.tolist()}.")
        return poses
    first = xrays[0]
    if preset is not None:
        known = {name.casefold(): value for name, value in PRESETS.items()}
        if preset.casefold() not in known:
            raise GeometryError(f"There is no preset view {preset!r}: choose one of {', '.join(PRESETS)}.")
        angles = known[preset.casefold()]
    if angles is not None:
        return _at(first.view, isocenter, *angles)[None]
    if first.geometry is not None and first.geometry.primary_deg is not None:
        camera = first.geometry.pose(isocenter)
        return (se3.inverse(first.view.camera_from_rig) @ camera)[None]
    return torch.stack([_at(first.view, isocenter, *PRESETS[name]) for name in ("AP", "PA")])


def _at(view: View, isocenter: Tensor, primary: float, secondary: float) -> Tensor:
    sad = view.sad if view.sad is not None else _USUAL_SAD_SHARE * view.sdd
    return se3.inverse(view.camera_from_rig) @ pose_from_angles(primary, secondary, sad, isocenter)
