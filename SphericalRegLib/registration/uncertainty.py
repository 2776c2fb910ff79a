"""How exactly images fix a pose, as far as their noise tells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from SphericalRegLib.geometry.view import View
from SphericalRegLib.optimization.problem import Linearization


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
