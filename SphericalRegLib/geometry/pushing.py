"""A hand that pushes bones in an X-ray: what a movement on the image is as a movement of the CT before the source.

All of it is one twist in the camera's frame, about the middle of what is pushed: so the bones follow the hand at their
own depth, turn about themselves, and come nearer along the ray on which they are seen.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from SphericalRegLib.errors import GeometryError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View

Pixel = tuple[float, float]


def shifted(pose: Tensor, view: View, center: Tensor, start: Pixel, end: Pixel) -> Tensor:
    """The bones moved across the beam so that what was seen at one pixel at their depth is seen at another.

    Args:
        pose: (4, 4) rig_from_world.
        view: in whose image the hand moves.
        center: (3,) world mm, the middle of the bones.
        start, end: (u, v) pixels.

    Returns:
        (4, 4) rig_from_world.

    Raises:
        GeometryError: for bones at or behind the source.
    """
    middle = _in_camera(pose, view, center)
    rays = torch.tensor([[*start, 1.0], [*end, 1.0]], dtype=torch.float64) @ torch.linalg.inv(view.intrinsics).T
    return _moved(pose, view, translation=(rays[1] - rays[0]) * middle[2])


def nudged(pose: Tensor, view: View, columns_mm: float, rows_mm: float) -> Tensor:
    """The bones moved by mm at their own depth along the image's columns and rows, to the right and down."""
    right = math.copysign(1.0, float(view.intrinsics[0, 0]))
    down = math.copysign(1.0, float(view.intrinsics[1, 1]))
    return _moved(pose, view, translation=torch.tensor([right * columns_mm, down * rows_mm, 0.0], dtype=torch.float64))


def pulled(pose: Tensor, view: View, center: Tensor, mm: float) -> Tensor:
    """The bones moved by mm along the ray on which their middle is seen, away from the source.

    Raises:
        GeometryError: for bones that would reach the source.
    """
    middle = _in_camera(pose, view, center)
    if float(middle.norm()) + mm < 1.0:
        raise GeometryError("The bones would reach the X-ray source: move them the other way.")
    return _moved(pose, view, translation=mm * middle / middle.norm())


def rolled(pose: Tensor, view: View, center: Tensor, start: Pixel, end: Pixel) -> Tensor:
    """The bones turned about the beam's direction through their middle, by the angle between two pixels as seen there.

    Raises:
        GeometryError: for bones at or behind the source.
    """
    middle = _in_camera(pose, view, center)
    u, v = (float(x) for x in (view.intrinsics @ (middle / middle[2]))[:2])
    row_mm, column_mm = view.spacing
    angles = [math.atan2((pixel[1] - v) * row_mm, (pixel[0] - u) * column_mm) for pixel in (start, end)]
    return turned(pose, view, center, 0.0, 0.0, math.degrees(angles[1] - angles[0]))


def turned(pose: Tensor, view: View, center: Tensor, across_deg: float, down_deg: float, roll_deg: float) -> Tensor:
    """The bones turned about their middle as a ball that a hand rolls: what is nearest to the viewer goes with it.

    The viewer is on the detector's side where images are stored mirrored, and else where the source is.

    Args:
        pose, view, center: as for :func:`shifted`.
        across_deg: to the right in the image.
        down_deg: downwards.
        roll_deg: clockwise in the image.

    Raises:
        GeometryError: for bones at or behind the source.
    """
    middle = _in_camera(pose, view, center)
    right = math.copysign(1.0, float(view.intrinsics[0, 0]))
    down = math.copysign(1.0, float(view.intrinsics[1, 1]))
    # toward the viewer: of the axes right, down and this one the image's own hand
    near = -1.0 if right * down > 0 else 1.0
    # ω × (near) = along the hand
    x, y, z = (math.radians(a) for a in (down_deg, across_deg, roll_deg))
    omega = torch.tensor([-down * near * x, right * near * y, right * down * z], dtype=torch.float64)
    rotation = se3.so3_exp(omega)
    return _moved(pose, view, rotation=rotation, translation=middle - rotation @ middle)


def _in_camera(pose: Tensor, view: View, center: Tensor) -> Tensor:
    middle = se3.transform_points(view.camera_from_world(pose.to(torch.float64)), center.to(torch.float64)[None])[0]
    if not float(middle[2]) > 1e-6:
        raise GeometryError("The bones lie at or behind the X-ray source: place the C-arm anew.")
    return middle


def _moved(pose: Tensor, view: View, *, rotation: Tensor | None = None, translation: Tensor) -> Tensor:
    """The pose after a motion of the camera's frame."""
    motion = se3.from_parts(torch.eye(3, dtype=torch.float64) if rotation is None else rotation, translation)
    return view.rig_from_camera @ motion @ view.camera_from_world(pose.to(torch.float64))
