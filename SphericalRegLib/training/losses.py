"""What a similarity is trained for: that its gradient, or the optimizer's step along it, leads to the true pose.

None of them needs a second derivative of the renderer: an encoder's parameters do not move the DRR, so image and
Jacobian are constants.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from SphericalRegLib.geometry import se3
from SphericalRegLib.optimization.damping import damped_step
from SphericalRegLib.optimization.state import pose_scale
from SphericalRegLib.similarity.least_squares import Residual

#: Distances (...) between poses (..., 4, 4): ``so4.geodesic_se3`` or ``so4.distance_so4`` with their lengths given.
Distance = Callable[[Tensor, Tensor], Tensor]

# Radians: errors of steps shorter than this count absolutely, longer ones relative to their length.
_SHORT_STEP = 0.05
# Of the damped normal equations: its inverse, squared, is finite in float32.
_FLOOR = 1e-12
# Squared length of gradients that have no direction.
_SMALLEST = 1e-20


def step_loss(found: Residual, target: Tensor, damping: Tensor | float, length: float = 100.0) -> Tensor:
    """‖Δ − Δ*‖ / (‖Δ*‖ + 0.05) of one Levenberg-Marquardt step, (B,): 0 for a step to the truth, about 1 for none.

    Args:
        found: residuals of B pairs and their Jacobians, with gradients to the encoders.
        target: (B, 6) twists Δ* from the poses to the true ones, radians and mm (``se3.difference_about``).
        damping: λ, a number or (B,); may be learned.
        length: mm that count as one radian.
    """
    step = learned_step(found, damping, length)
    in_radians = (pose_scale(length) / length).to(step)
    wanted = target.to(step) * in_radians
    # vector_norm has derivative 0 at 0
    return torch.linalg.vector_norm(step * in_radians - wanted, dim=-1) / (wanted.norm(dim=-1) + _SHORT_STEP)


def learned_step(found: Residual, damping: Tensor | float, length: float) -> Tensor:
    """The Levenberg-Marquardt step as a twist (B, 6), radians and mm, through which gradients flow.

    Args:
        found: residuals of B pairs and their Jacobians.
        damping: λ, a number or (B,).
        length: mm that count as one radian.
    """
    per_radian = (length / pose_scale(length)).to(found.values)
    columns = found.jacobian * per_radian[:, None]
    factor = torch.as_tensor(damping).to(found.values).expand(len(columns))
    gradient = (columns @ found.values[..., None])[..., 0]
    return damped_step(columns @ columns.transpose(-1, -2), gradient, factor, _FLOOR) * per_radian


def gradient_loss(
    found: Residual,
    target: Tensor,
    distance: Distance | None = None,
    scale: Tensor | float = 1.0,
) -> Tensor:
    """How far the similarity's gradient is from that of a distance between poses, (B,) (Chen and Kong, WACV 2026).

    Args:
        found: residuals of B pairs and their Jacobians, with gradients to the encoders.
        target: (B, 6) gradients of the distance to the true pose (:func:`gradient_of_distance`).
        distance: the published form: both gradients are read as vectors of se(3), and compared, after the exponential
            map, by this distance. None: rotation and translation are normalized apart (ProST; Gao et al., MICCAI 2020),
            Σ ‖ĝ − ĝ*‖² over the two, from 0 to 8, so that neither the scale of the cost nor units matter.
        scale: of the similarity's gradient in the published form; may be learned.
    """
    return gradient_mismatch(found.gradient, target, distance, scale)


def gradient_mismatch(
    gradient: Tensor, target: Tensor, distance: Distance | None = None, scale: Tensor | float = 1.0
) -> Tensor:
    """The same of a gradient (B, 6) itself, of whatever similarity."""
    target = target.to(gradient)
    if distance is not None:
        return distance(se3.exp(scale * gradient), se3.exp(target))
    parts = [
        (_unit(gradient[:, axes]) - _unit(target[:, axes])).square().sum(-1) for axes in (slice(0, 3), slice(3, 6))
    ]
    return parts[0] + parts[1]


def gradient_of_distance(poses: Tensor, truth: Tensor, center: Tensor, distance: Distance) -> Tensor:
    """(B, 6) gradients of ``distance(pose, truth)`` in a twist of the poses (B, 4, 4) about ``center``, by autograd."""
    with torch.enable_grad():
        twists = torch.zeros(poses.shape[0], 6, dtype=poses.dtype, device=poses.device, requires_grad=True)
        total = distance(se3.about(twists, poses.detach(), center), truth.detach()).sum()
        (gradient,) = torch.autograd.grad(total, twists)
    return gradient


def _unit(vectors: Tensor) -> Tensor:
    # of a blank DRR's gradient, which is 0, the derivative must stay finite
    return vectors * (vectors.square().sum(-1, keepdim=True) + _SMALLEST).rsqrt()
