"""Levenberg-Marquardt as a differentiable layer: a fixed number of smooth steps through which gradients flow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.geometry import se3


def unrolled_levenberg_marquardt(
    residual_and_jacobian: Callable[[Tensor], tuple[Tensor, Tensor]],
    poses: Tensor,
    center: Tensor,
    iterations: int,
    damping: Tensor | float = 1e-3,
    length: float = 100.0,
    longest_step: float = 60.0,
) -> list[Tensor]:
    """The start and every iterate, ``iterations + 1`` poses (B, 4, 4), differentiable in all that they depend on.

    No step is refused and nothing is compared, so that the result is a smooth function of the start, of the damping
    and of whatever parameters the residual contains. The damping falls with the cost, λₖ = λ cₖ/c₀, so that it
    vanishes at a perfect match and convergence is quadratic there (Fan and Yuan 2005); steps are bounded smoothly.

    Args:
        residual_and_jacobian: poses (B, 4, 4) -> residuals (B, M) and their Jacobians (B, 6, M) with respect to twists
            about ``center`` (``se3.about``). A Jacobian that carries no gradient is taken as a constant.
        poses: (B, 4, 4) where to start.
        center: (3,) world mm.
        iterations: number of steps.
        damping: λ > 0: a scalar, (B,), or (iterations, 1) or (iterations, B) for a schedule on top; may be learned.
        length: mm at which one radian counts as a translation.
        longest_step: mm that no step reaches.

    Raises:
        InputError: for fewer than one iteration, or a damping schedule of another length.
    """
    if iterations < 1:
        raise InputError(f"An unrolled solver needs at least one iteration, not {iterations}.")
    factors = torch.as_tensor(damping, dtype=poses.dtype, device=poses.device)
    if factors.ndim == 2 and factors.shape[0] != iterations:
        raise InputError(f"A damping schedule of {factors.shape[0]} rows does not fit {iterations} iterations.")
    schedule = factors if factors.ndim == 2 else factors.expand(iterations, poses.shape[0])
    scale = torch.tensor([1 / length] * 3 + [1.0] * 3, dtype=poses.dtype, device=poses.device)
    path = [poses]
    first_cost: Tensor | None = None
    for factor in schedule:
        residual, jacobian = residual_and_jacobian(path[-1])
        residual, jacobian = residual.to(poses.dtype), jacobian.to(poses.dtype)
        cost = residual.square().sum(-1)
        if first_cost is None:
            first_cost = cost + torch.finfo(poses.dtype).tiny
        step = damped_step(residual, jacobian * scale[:, None], factor * cost / first_cost)
        bound = longest_step / (longest_step**2 + step.square().sum(-1, keepdim=True)).sqrt()
        path = [*path, se3.about(step * bound * scale, path[-1], center)]
    return path


def damped_step(residual: Tensor, jacobian: Tensor, damping: Tensor) -> Tensor:
    """-(J Jᵀ + λ diag(J Jᵀ))⁻¹ J r, (B, 6), of residuals (B, M), Jacobians (B, 6, M) and damping (B,).

    A direction that the residual does not see gets a tiny share of the others' curvature, and so no step.
    """
    hessian = jacobian @ jacobian.transpose(-1, -2)
    gradient = (jacobian @ residual[..., None])[..., 0]
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    floor = 1e-9 * diagonal.mean(-1, keepdim=True) + torch.finfo(residual.dtype).tiny
    return -torch.linalg.solve(hessian + torch.diag_embed(damping[..., None] * diagonal + floor), gradient)
