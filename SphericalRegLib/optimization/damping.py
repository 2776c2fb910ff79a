"""The one damped solve: Levenberg-Marquardt's step, for optimizers and, with gradients, for training."""

from __future__ import annotations

import torch
from torch import Tensor


def damped_step(curvature: Tensor, gradient: Tensor, damping: Tensor, floor: float = 1e-39) -> Tensor:
    """-(H + λ diag H)⁻¹ g, (B, P), of curvatures (B, P, P), gradients (B, P) and damping λ (B,) (Marquardt 1963).

    Parameters must be of one unit (mm, say). A direction that nobody sees gets a tiny share of the others' curvature,
    and so no step rather than a long one.

    Args:
        curvature: positive semidefinite.
        gradient: of the same cost.
        damping: 0 or more.
        floor: added to the diagonal: where nothing is seen at all, as of a blank DRR, the step is 0. With gradients
            through it, the square of its inverse must be finite: 1e-12 for float32.
    """
    diagonal = curvature.diagonal(dim1=-2, dim2=-1)
    unseen = 1e-9 * diagonal.amax(-1, keepdim=True) + floor
    return -torch.linalg.solve(curvature + torch.diag_embed(damping[..., None] * diagonal + unseen), gradient)
