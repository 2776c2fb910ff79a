"""Views from calibrations in OpenCV's form, K [R | t], and back; and whether a calibrated rig makes sense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View

# Rotations come out of text files with a few digits; further off than this it's not rounding.
_ROUNDING = 1e-3


def view_from_krt(
    k: Any,
    r: Any,
    t: Any,
    height: int,
    width: int,
    *,
    sdd: float | None = None,
    spacing: float | tuple[float, float] | None = None,
    mirrored: bool = False,
    sad: float | None = None,
    name: str = "view",
) -> View:
    """A view from a calibration x ~ K (R X + t): +x along columns, +y along rows, +z from the source to the detector.

    The calibration's world becomes the rig: ``camera_from_rig = [R | t]``. K fixes the pixels; the detector's distance
    or its spacing only says what they are in mm there, so one of the two must be given.

    Args:
        k: (3, 3) pixels, pixel centers at integers; may have skew, and any scale (K[2, 2] other than 1).
        r: (3, 3) rotation camera_from_rig.
        t: (3,) mm.
        height, width: rows and columns.
        sdd: source-to-detector distance, mm.
        spacing: detector spacing in mm, one number or (row, column), instead of sdd.
        mirrored: whether the stored image is the left-right mirror image of the one that K describes.
        sad: source-to-isocenter distance, mm, where known.
        name: what the user calls the view.

    Raises:
        GeometryError: for matrices that are no calibration, and for neither or both of sdd and spacing.
    """
    intrinsics = _matrix(k, (3, 3), "K").clone()
    rotation, offset = _matrix(r, (3, 3), "R"), _matrix(t, (3,), "t")
    if intrinsics[2, 2] == 0:
        raise GeometryError(f"K[2, 2] is 0: K is no camera matrix: {intrinsics.tolist()}.")
    intrinsics /= intrinsics[2, 2].clone()
    if mirrored:
        flip = torch.tensor([[-1.0, 0.0, width - 1], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
        intrinsics = flip @ intrinsics
    if (sdd is None) == (spacing is None):
        raise GeometryError(f"Give the detector's distance or its spacing, one of them: sdd={sdd}, spacing={spacing}.")
    if sdd is None:
        row_mm, column_mm = spacing if isinstance(spacing, tuple) else (spacing, spacing)
        if row_mm is None or column_mm is None or not (row_mm > 0 and column_mm > 0):
            raise GeometryError(f"The detector's pixel spacing is {spacing} mm: give the true spacing.")
        # Focal lengths differ a little in a calibration; the distance they share is their mean's.
        sdd = float(intrinsics[0, 0].abs() * column_mm + intrinsics[1, 1].abs() * row_mm) / 2
    pose = se3.from_parts(_nearest_rotation(rotation), offset)
    return View(intrinsics, height, width, float(sdd), pose, sad, name)


def krt_from_view(view: View) -> tuple[Tensor, Tensor, Tensor]:
    """K (3, 3), R (3, 3) and t (3,) of a view, as :func:`view_from_krt` takes them."""
    return view.intrinsics, view.camera_from_rig[:3, :3], view.camera_from_rig[:3, 3]


def axes_crossing(views: Sequence[View]) -> tuple[Tensor, float]:
    """Where the optical axes of calibrated views meet: the point (3,) nearest to all, rig mm, and its largest distance.

    In a biplane rig this is near the isocenter, and the distance is millimeters; much more says that the calibrations
    do not belong together.

    Raises:
        GeometryError: for fewer than two views, or parallel axes.
    """
    if len(views) < 2:
        raise GeometryError(f"Axes can cross with two views or more, not {len(views)}.")
    rig_from_camera = se3.inverse(torch.stack([view.camera_from_rig for view in views]))
    sources, axes = rig_from_camera[:, :3, 3], rig_from_camera[:, :3, 2]
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    normal = across.sum(0)
    if float(torch.linalg.eigvalsh(normal)[0]) < 1e-6:
        raise GeometryError("The views' axes are parallel: they cross nowhere.")
    point = torch.linalg.solve(normal, (across @ sources[:, :, None]).sum(0))[:, 0]
    distances = (across @ (point - sources)[:, :, None])[..., 0].norm(dim=-1)
    return point, float(distances.max())


def _matrix(values: Any, shape: tuple[int, ...], label: str) -> Tensor:
    tensor = torch.as_tensor(values, dtype=torch.float64)
    if tensor.numel() != torch.Size(shape).numel() or (len(shape) == 2 and tensor.shape != shape):
        raise GeometryError(f"{label} must have shape {shape}, not {tuple(tensor.shape)}.")
    if not torch.isfinite(tensor).all():
        raise GeometryError(f"{label} holds values that are not finite: {tensor.tolist()}.")
    return tensor.reshape(shape)


def _nearest_rotation(matrix: Tensor) -> Tensor:
    """The rotation that a matrix is but for rounding."""
    off = float((matrix @ matrix.T - torch.eye(3, dtype=matrix.dtype)).abs().max())
    if off > _ROUNDING:
        raise GeometryError(f"R is not a rotation, R Rᵀ is off by {off:.3g}: {matrix.tolist()}.")
    if torch.linalg.det(matrix) < 0:
        raise GeometryError(
            f"R is a reflection, det(R) = -1: {matrix.tolist()}. For a mirrored image negate the first row of R, the "
            "first value of t and the first column of K."
        )
    u, _, vh = torch.linalg.svd(matrix)
    return u @ vh
