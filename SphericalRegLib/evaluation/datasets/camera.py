"""From a calibration as data sets store it to a view and a pose of ours, whichever way its z axis looks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.frames import flip_affine
from SphericalRegLib.geometry.krt import view_from_krt
from SphericalRegLib.geometry.view import View


class Placed(NamedTuple):
    """A view, and the pose (4, 4) rig_from_world at which it sees the CT."""

    view: View
    pose: Tensor


def placed_camera(
    intrinsics: Tensor,
    camera_from_lps: Tensor,
    center: Tensor,
    size: tuple[int, int],
    spacing: tuple[float, float],
    name: str,
) -> Placed:
    """The camera of a file.

    Its z axis may point from the source to the detector, as ours does, or back, as xReg's does with negative focal
    lengths: then the camera is turned by half a turn about its x axis, K' = −K diag(1, −1, −1). On which side of the
    source the patient lies tells which.

    Args:
        intrinsics: (3, 3) pixels.
        camera_from_lps: (4, 4) mm.
        center: (3,) world RAS mm within the patient.
        size: (rows, columns).
        spacing: (row, column) mm on the detector.
        name: of the view.

    Raises:
        GeometryError: for matrices that are no calibration.
    """
    # a matrix out of LPS takes points of RAS when its first two columns change sign
    camera_from_world = flip_affine(camera_from_lps.double().T).T
    rotation = camera_from_world[:3, :3]
    if not torch.isfinite(camera_from_world).all() or abs(float(torch.linalg.det(rotation)) - 1) > 1e-2:
        raise GeometryError(
            f"{name}: the pose {camera_from_lps.tolist()} is not rigid and right-handed (its rotation has the "
            f"determinant {float(torch.linalg.det(rotation)):.3g})."
        )
    k = intrinsics.double()
    if float(se3.transform_points(camera_from_world, center[None])[0, 2]) < 0:
        turn = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
        k = -k @ turn
        camera_from_world = torch.block_diag(turn, torch.ones(1, 1, dtype=torch.float64)) @ camera_from_world
    # checks the rotation, and takes its rounding away
    rigid = view_from_krt(
        k, camera_from_world[:3, :3], camera_from_world[:3, 3], size[0], size[1], spacing=spacing, name=name
    )
    view = View(rigid.intrinsics, rigid.height, rigid.width, rigid.sdd, name=name)
    return Placed(view, rigid.camera_from_rig)


def turned_by_half(view: View) -> View:
    """The view of an image that was turned by 180°: pixel (u, v) has become (width − 1 − u, height − 1 − v)."""
    turn = torch.tensor(
        [[-1.0, 0.0, view.width - 1.0], [0.0, -1.0, view.height - 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64
    )
    return View(turn @ view.intrinsics, view.height, view.width, view.sdd, view.camera_from_rig, view.sad, view.name)
