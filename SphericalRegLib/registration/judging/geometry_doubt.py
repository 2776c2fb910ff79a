"""What a view's doubtful numbers do to a pose: how far it moves where they are a little different.

A body seen at another focal length looks the same from another distance, but for how its near parts are magnified
against its far ones. The images hardly tell the two apart (``Testing/Benchmarks/typed_distance.py``). So what is not
known of the view is not known of the pose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.tolerance import EXACT
from SphericalRegLib.geometry.view import View
from SphericalRegLib.geometry.volume import Volume
from SphericalRegLib.registration.judging.uncertainty import NORMAL_HALF_WIDTH

# /mm: denser than soft tissue, so that it has edges.
_DENSE = 0.025
_POINTS, _FEWEST = 2000, 12
# Relative, of a focal length, for differences.
_STEP = 1e-3


def geometry_covariance(volume: Volume, views: Sequence[View], pose: Tensor) -> Tensor:
    """(6, 6) float64 of the twist about the isocenter (rig axes, rad and mm) that the views' tolerances leave open.

    To first order: the pose moves so that the projections of the dense points that the views show stay where they were,
    in the least squares of pixels.

    Args:
        volume: the CT's attenuation.
        views: with their tolerances.
        pose: (4, 4) rig_from_world.

    Returns:
        zeros where all views are exact; infinite variances where nothing dense is in sight.
    """
    if all(view.tolerance == EXACT for view in views):
        return torch.zeros(6, 6, dtype=torch.float64)
    points = _dense_points(volume)
    rows, changes = list[Tensor](), list[Tensor]()
    for view in views:
        pixels = view.project(points, pose)
        size = torch.tensor([view.width, view.height], dtype=torch.float64)
        in_sight = points[((pixels > -0.5) & (pixels < size - 0.5)).all(-1)]
        rows.append(_pose_derivative(view, in_sight, pose, volume.center))
        changes.append(_tolerated_shifts(view, in_sight, pose))
    if sum(len(row) for row in rows) < _FEWEST:
        return torch.diag(torch.full((6,), torch.inf, dtype=torch.float64))
    # each view's numbers are wrong independently of the others'
    shifts = torch.block_diag(*changes)
    responses = torch.linalg.pinv(torch.cat(rows)) @ shifts
    return responses @ responses.T


def _pose_derivative(view: View, points: Tensor, pose: Tensor, center: Tensor) -> Tensor:
    """(2 N, 6) of the pixels of points (N, 3) in a twist of the pose about the center."""
    rig = se3.transform_points(pose, points)
    lever = rig - se3.transform_points(pose, center[None])
    by_twist = torch.cat([-se3.hat(lever), torch.eye(3, dtype=torch.float64).expand(len(points), 3, 3)], -1)
    onto_detector = view.intrinsics @ view.camera_from_rig[:3, :3]
    homogeneous = se3.transform_points(view.camera_from_rig, rig) @ view.intrinsics.T
    pixels, depth = homogeneous[:, :2] / homogeneous[:, 2:], homogeneous[:, 2, None, None]
    by_point = (onto_detector[:2] - pixels[..., None] * onto_detector[2]) / depth
    return (by_point @ by_twist).flatten(0, 1)


def _tolerated_shifts(view: View, points: Tensor, pose: Tensor) -> Tensor:
    """(2 N, 3): by one standard deviation of focal length and principal point, how far pixels of points move."""
    longer = _refocused(view, math.exp(_STEP)).project(points, pose)
    shorter = _refocused(view, math.exp(-_STEP)).project(points, pose)
    by_focal = (longer - shorter) / (2 * _STEP) * view.tolerance.focal
    row_mm, column_mm = view.spacing
    along_columns = torch.zeros_like(longer)
    along_columns[:, 0] = view.tolerance.center_mm / column_mm
    along_rows = torch.zeros_like(longer)
    along_rows[:, 1] = view.tolerance.center_mm / row_mm
    return torch.stack([one.flatten() for one in (by_focal, along_columns, along_rows)], 1) / NORMAL_HALF_WIDTH


def _refocused(view: View, factor: float) -> View:
    """With another focal length, in both directions."""
    intrinsics = view.intrinsics.clone()
    intrinsics[:2, :2] *= factor
    return replace(view, intrinsics=intrinsics)


def _dense_points(volume: Volume) -> Tensor:
    """(N, 3) world mm: voxel centers of bone, or of whatever attenuates where there is none; always the same ones."""
    density = volume.density.detach().sum(0)
    dense = torch.nonzero(density > _DENSE)
    if len(dense) < _FEWEST:
        dense = torch.nonzero(density > 0)
    # strides would fall into step with the rows of voxels
    order = torch.randperm(len(dense), generator=torch.Generator().manual_seed(0))[:_POINTS]
    voxels = dense.cpu()[order].flip(1).to(torch.float64)
    matrix = volume.world_from_voxel
    return voxels @ matrix[:3, :3].T + matrix[:3, 3]
