"""A Levenberg-Marquardt step through which gradients flow, as training needs it."""

from __future__ import annotations

import torch
from torch import Tensor

# Added to the normal equations: its inverse, squared, is finite in float32.
_FLOOR = 1e-12


def damped_step(residual: Tensor, jacobian: Tensor, damping: Tensor) -> Tensor:
    """-(J Jᵀ + λ diag(J Jᵀ))⁻¹ J r, (B, 6), of residuals (B, M), Jacobians (B, 6, M) and damping (B,).

    A direction that the residual does not see gets a tiny share of the others' curvature, and so no step; where it
    sees none, as of a blank DRR, the step is 0 and so are its derivatives.
    """
    hessian = jacobian @ jacobian.transpose(-1, -2)
    gradient = (jacobian @ residual[..., None])[..., 0]
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    floor = 1e-9 * diagonal.mean(-1, keepdim=True) + _FLOOR
    return -torch.linalg.solve(hessian + torch.diag_embed(damping[..., None] * diagonal + floor), gradient)
