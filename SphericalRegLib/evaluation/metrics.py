"""Errors of an estimated pose against the truth: target, projection and reprojection distances, rotation, translation.

Definitions: van de Kraats et al., IEEE TMI 24 (2005), "Standardized evaluation methodology for 2-D–3-D registration",
equations 1 to 3. All take poses rig_from_world (..., 4, 4), batched, and give float64 (...). A pose that puts points
behind the source has infinite projection errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View


class TranslationError(NamedTuple):
    """Distances (...) in mm, in the camera's axes: parallel to the detector, and along the beam."""

    in_plane_mm: Tensor
    depth_mm: Tensor


def _points(points: Tensor) -> Tensor:
    tensor = torch.as_tensor(points, dtype=torch.float64)
    if tensor.ndim != 2 or tensor.shape[0] == 0 or tensor.shape[1] != 3:
        raise InputError(f"Target points must be (N, 3) world mm with N of 1 or more, not {tuple(tensor.shape)}.")
    if not torch.isfinite(tensor).all():
        raise InputError("Target points hold values that are not finite: leave those points out.")
    return tensor


def _poses(poses: Tensor) -> Tensor:
    tensor = torch.as_tensor(poses, dtype=torch.float64)
    if tensor.shape[-2:] != (4, 4):
        raise InputError(f"Poses must be (..., 4, 4), not {tuple(tensor.shape)}.")
    return tensor


def _views(views: View | Sequence[View]) -> list[View]:
    found = [views] if isinstance(views, View) else list(views)
    if not found:
        raise InputError("Give at least one view.")
    return found


def mtre(poses: Tensor, truth: Tensor, points: Tensor) -> Tensor:
    """Mean target registration error (...), mm: the true three-dimensional one.

    Mean over points of the distance between where the estimated and the true pose put a point. The same whichever of
    CT and C-arm is thought to move.

    Args:
        poses: (..., 4, 4) estimates.
        truth: (4, 4) or (..., 4, 4).
        points: (N, 3) world mm: landmarks, or points of the bone to be registered.

    Raises:
        InputError: for other shapes, no points, or points that are not finite.
    """
    p = _points(points)
    difference = se3.transform_points(_poses(poses), p) - se3.transform_points(_poses(truth), p)
    return difference.norm(dim=-1).mean(dim=-1)


def _on_detector(view: View, poses: Tensor, points: Tensor) -> Tensor:
    """Camera coordinates (..., N, 3) in mm of the points' projections; infinite for points not before the source."""
    camera = se3.transform_points(view.camera_from_world(poses), points)
    depth = camera[..., 2:]
    return torch.where(depth > 0, camera * (view.sdd / depth), torch.full_like(camera, torch.inf))


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Distances (...) of points (..., 3); infinite where either point is, since inf - inf says nothing."""
    distances = (a - b).norm(dim=-1)
    return torch.where(distances.isnan(), torch.full_like(distances, torch.inf), distances)


def mpe(poses: Tensor, truth: Tensor, points: Tensor, views: View | Sequence[View]) -> Tensor:
    """Mean projection error (...), mm on the detector: mean over points, then over views.

    Args:
        poses, truth, points: as for :func:`mtre`.
        views: one, or those that share the rig.

    Raises:
        InputError: as :func:`mtre`, and for no views.
    """
    p, estimated, true = _points(points), _poses(poses), _poses(truth)
    errors = [_distance(_on_detector(v, estimated, p), _on_detector(v, true, p)).mean(dim=-1) for v in _views(views)]
    return torch.stack(errors).mean(dim=0)


def mrpe(poses: Tensor, truth: Tensor, points: Tensor, views: View | Sequence[View]) -> Tensor:
    """Mean reprojection distance (...), mm at the patient: mean over points, then over views.

    The distance between the point's true position and the ray from the source through its estimated projection; blind
    to depth as a single view is, but in millimeters of the patient instead of the detector.

    Args:
        poses, truth, points, views: as for :func:`mpe`.

    Raises:
        InputError: as :func:`mpe`.
    """
    p, estimated, true = _points(points), _poses(poses), _poses(truth)
    errors = []
    for view in _views(views):
        position = se3.transform_points(view.camera_from_world(true), p)
        ray = _on_detector(view, estimated, p)
        direction = ray / ray.norm(dim=-1, keepdim=True)
        along = (position * direction).sum(dim=-1, keepdim=True)
        errors.append(_distance(position, along * direction).mean(dim=-1))
    return torch.stack(errors).mean(dim=0)


def rotation_error_deg(poses: Tensor, truth: Tensor) -> Tensor:
    """Angle (...) in degrees, 0 to 180, between estimated and true rotation; exact for small angles too."""
    difference = (_poses(poses)[..., :3, :3] - _poses(truth)[..., :3, :3]).norm(dim=(-2, -1))
    # ‖R_a − R_b‖ = 2√2 sin(θ/2)
    return torch.rad2deg(2 * torch.asin((difference / 8**0.5).clamp(max=1.0)))


def translation_error(poses: Tensor, truth: Tensor, isocenter: Tensor, view: View | None = None) -> TranslationError:
    """How far the isocenter is off in camera axes: in the plane of the detector, and in depth; both as distances.

    At the isocenter, not at the world's origin, rotation does not leak into translation.

    Args:
        poses, truth: as for :func:`mtre`.
        isocenter: (3,) world mm.
        view: whose camera; None for the rig's own axes (with one view they are the same).

    Raises:
        InputError: as :func:`mtre`.
    """
    center = _points(torch.as_tensor(isocenter, dtype=torch.float64).reshape(1, -1))
    difference = se3.transform_points(_poses(poses), center) - se3.transform_points(_poses(truth), center)
    if view is not None:
        difference = difference @ view.camera_from_rig[:3, :3].T
    offset = difference[..., 0, :]
    return TranslationError(offset[..., :2].norm(dim=-1), offset[..., 2].abs())


def mtre_diffpose(poses: Tensor, truth: Tensor, points: Tensor, view: View, pixel_mm: float = 0.194) -> Tensor:
    """NOT a target registration error: the number (...) that DiffPose's evaluator prints as mTRE, for its tables only.

    It takes the points' projections as three-dimensional world points on the detector of the respective pose, already
    in mm, and multiplies their mean distance once more by the pixel size. So it is about a fifth of a projection
    error at DeepFluoro's 0.194 mm pixels, and a rotation of the camera about its axis counts as zero.

    Args:
        poses, truth, points: as for :func:`mtre`.
        view: the one view.
        pixel_mm: the factor; 0.194 as there, whatever this view's pixels are.

    Raises:
        InputError: as :func:`mtre`.
    """
    p, estimated, true = _points(points), _poses(poses), _poses(truth)
    world = [
        se3.transform_points(se3.inverse(view.camera_from_world(pose)), _on_detector(view, pose, p))
        for pose in (estimated, true)
    ]
    return pixel_mm * _distance(world[0], world[1]).mean(dim=-1)
