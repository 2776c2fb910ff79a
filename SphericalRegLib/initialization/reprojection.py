"""Reprojection error of landmarks in one or several views, its exact Jacobian, and the pose that minimizes it.

Everything is in millimeters on the detector: so mirrored, skewed or anisotropic pixels need no thought.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.geometry.view import View

# A rotation by 1 rad moves anatomy about this many mm: it balances the two halves of the twist.
_LENGTH_MM = 100.0


class Observations(NamedTuple):
    """Landmarks seen in one view: points (N, 3) world mm, detected places (N, 2) on the detector in camera mm."""

    view: View
    points: Tensor
    detected: Tensor


def observe(view: View, points: Tensor, pixels: Tensor) -> Observations:
    """Observations of points (N, 3) world mm at pixels (N, 2) = (u, v)."""
    homogeneous = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=-1)
    return Observations(view, points, (homogeneous @ view.detector_from_pixel().T)[:, :2])


def residuals(pose: Tensor, seen: Observations) -> Tensor:
    """Projected minus detected places (N, 2), mm on the detector, at a pose rig_from_world (4, 4)."""
    camera = se3.transform_points(seen.view.camera_from_world(pose), seen.points)
    return seen.view.sdd * camera[:, :2] / camera[:, 2:] - seen.detected


def jacobian(pose: Tensor, seen: Observations, center: Tensor) -> Tensor:
    """Derivative (N, 2, 6) of :func:`residuals` by a twist about a point (3,) of the rig, at zero.

    The twist x moves the pose to Trans(c) Exp(x) Trans(-c) pose, in the rig's axes.
    """
    rig = se3.transform_points(pose, seen.points)
    moved = torch.cat([-se3.hat(rig - center), torch.eye(3, dtype=pose.dtype).expand(len(rig), 3, 3)], dim=-1)
    camera_from_rig = seen.view.camera_from_rig
    camera = se3.transform_points(camera_from_rig, rig)
    x, y, z = camera.unbind(-1)
    zero = torch.zeros_like(z)
    rows = torch.stack([1 / z, zero, -x / z**2, zero, 1 / z, -y / z**2], dim=-1)
    projection = seen.view.sdd * rows.reshape(-1, 2, 3)
    return projection @ camera_from_rig[:3, :3] @ moved


def conditioning(pose: Tensor, observations: list[Observations]) -> float:
    """How well landmarks fix a pose: the smallest over the largest singular value of all their residuals' Jacobian.

    Rotations are about the landmarks' middle and weighed as :func:`refine` does; 0 where the pose can move freely.
    """
    points = torch.cat([seen.points for seen in observations])
    center = se3.transform_points(pose, points.mean(dim=0, keepdim=True))[0]
    rows = torch.cat([jacobian(pose, seen, center).reshape(-1, 6) for seen in observations])
    if not torch.isfinite(rows).all():
        return 0.0
    singular = torch.linalg.svdvals(rows * _twist_scale())
    return float(singular[-1] / singular[0])


def refine(pose: Tensor, observations: list[Observations]) -> Tensor:
    """The pose rig_from_world (4, 4) with the smallest sum of squared residuals near a start (Levenberg-Marquardt).

    Args:
        pose: (4, 4) float64 start, all points before the sources.
        observations: one for each view; three landmarks or more in all.
    """
    points = torch.cat([seen.points for seen in observations])
    center = se3.transform_points(pose, points.mean(dim=0, keepdim=True))[0]
    shift = se3.translation(center)
    start = se3.inverse(shift) @ pose
    scale = _twist_scale()

    def moved(parameters: object) -> tuple[Tensor, Tensor]:
        twist = torch.as_tensor(parameters, dtype=torch.float64) * scale
        return shift @ se3.exp(twist) @ start, twist

    def cost(parameters: object) -> object:
        here, _ = moved(parameters)
        return torch.cat([residuals(here, seen).flatten() for seen in observations]).numpy()

    def slope(parameters: object) -> object:
        here, twist = moved(parameters)
        local = torch.cat([jacobian(here, seen, center).reshape(-1, 6) for seen in observations])
        # Exp(x + dx) ≈ Exp(J dx) Exp(x)
        return (local @ se3.left_jacobian(twist) * scale).numpy()

    found = least_squares(cost, torch.zeros(6).numpy(), jac=slope, method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12)
    return moved(found.x)[0]


def _twist_scale() -> Tensor:
    """(6,) what one is in a parameter's units: about as much motion of the anatomy in each."""
    return torch.tensor([1.0] * 3 + [_LENGTH_MM] * 3, dtype=torch.float64)
