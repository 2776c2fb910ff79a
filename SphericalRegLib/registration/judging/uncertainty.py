"""How exactly images fix a pose: what their noise tells, and what was found to come on top of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.optimization.problem import Linearization
from SphericalRegLib.registration.result import HalfWidths

#: Half of the 95 % interval of a normal distribution, in standard deviations.
NORMAL_HALF_WIDTH = 1.96


@dataclass(frozen=True)
class Calibration:
    """From the noise's standard deviations to 95 % intervals that hold.

    Errors of clinical X-rays are more than noise: scatter, soft tissue that moved, coarse voxels. Where the image tells
    a direction badly by noise, these tell it badly too; so the noise's deviation is multiplied. What noise does not
    know of at all is independent of it, so that the two add as squares do.

    Attributes:
        rotation, plane, depth: half width over standard deviation of each; 1.96 where there is nothing but Gaussian
            noise.
        rotation_deg, plane_mm, depth_mm: half widths where there is no noise.
        depth_views_mm: that of depth where there are several views, which see the first one's depth from aside; None:
            as of one.
        one_view_depth: whether one view tells depth at all: of a bone among others it does not.
        measured: on what, in words.
    """

    rotation: float = 9.0
    plane: float = 7.5
    depth: float = 3.3
    rotation_deg: float = 0.2
    plane_mm: float = 0.1
    depth_mm: float = 1.3
    one_view_depth: bool = True
    measured: str = ""
    depth_views_mm: float | None = None

    def bias_of_depth(self, views: int) -> float:
        """Half width, mm, of depth where there is no noise, of so many views."""
        return self.depth_mm if views < 2 or self.depth_views_mm is None else self.depth_views_mm


def covariance(model: Linearization, weights: Sequence[Tensor]) -> Tensor:
    """(6, 6) residual variance times the inverse normal equations, over as many residuals as are independent.

    Smoothing by a Gaussian of 1 pixel leaves one independent pixel in 4π; each has two gradient components. Of a cost
    that is no sum of squares nothing is known: its variances are infinite.

    Args:
        model: of the cost at the pose, for one hypothesis.
        weights: of each view (H, W), in [0, 1].
    """
    if model.curvature is None:
        return torch.diag(torch.full((6,), torch.inf, dtype=torch.float64))
    effective = sum(float(weight.sum()) for weight in weights) * 2 / (4 * torch.pi)
    freedom = max(1.0, effective - 6)
    return float(model.cost[0]) / freedom * torch.linalg.pinv(model.curvature[0] / 2, hermitian=True)


def depth_deviation(covariance: Tensor, view: View) -> float:
    """Standard deviation of the isocenter along a view's central ray, mm; infinite where nothing is known."""
    axis = view.camera_from_rig[2, :3]
    if not torch.isfinite(covariance).all():
        return float("inf")
    return float((axis @ covariance[3:, 3:] @ axis).clamp(min=0).sqrt())


def half_widths(covariance: Tensor, views: Sequence[View], calibration: Calibration) -> HalfWidths:
    """95 % intervals of a pose in the first view's directions.

    Args:
        covariance: (6, 6) of the twist about the isocenter, rig axes, rad and mm, from noise alone.
        views: the first one's plane and depth are meant.
        calibration: of the system.
    """
    noise = standard_deviations(covariance, views[0])
    depth_mm = math.hypot(calibration.bias_of_depth(len(views)), calibration.depth * noise.depth_mm)
    if len(views) == 1 and not calibration.one_view_depth:
        depth_mm = float("inf")
    return HalfWidths(
        math.hypot(calibration.rotation_deg, calibration.rotation * noise.rotation_deg),
        math.hypot(calibration.plane_mm, calibration.plane * noise.plane_mm),
        depth_mm,
    )


def widened(known: HalfWidths, by: Tensor, view: View) -> HalfWidths:
    """95 % intervals where something besides the images is not known exactly, independently of them.

    Args:
        known: from the images.
        by: (6, 6) covariance of what comes on top, as of
            :func:`~SphericalRegLib.registration.judging.geometry_doubt.geometry_covariance`.
        view: whose plane and depth are meant.
    """
    added = standard_deviations(by, view)
    return HalfWidths(
        math.hypot(known.rotation_deg, NORMAL_HALF_WIDTH * added.rotation_deg),
        math.hypot(known.plane_mm, NORMAL_HALF_WIDTH * added.plane_mm),
        math.hypot(known.depth_mm, NORMAL_HALF_WIDTH * added.depth_mm),
    )


def standard_deviations(covariance: Tensor, view: View) -> HalfWidths:
    """About the worst axis, along the worst direction across a view's central ray, and along it; infinite where one is
    not known."""
    if not torch.isfinite(covariance).all():
        return HalfWidths(float("inf"), float("inf"), float("inf"))
    turn = view.camera_from_rig[:3, :3]
    shift = turn @ covariance[3:, 3:] @ turn.T

    def worst(block: Tensor) -> float:
        return float(torch.linalg.eigvalsh(block)[-1].clamp(min=0).sqrt())

    return HalfWidths(math.degrees(worst(covariance[:3, :3])), worst(shift[:2, :2]), worst(shift[2:, 2:]))
