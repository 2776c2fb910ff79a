"""Curvature from gradients: BFGS, for costs that come without a model of their own. All in mm."""

from __future__ import annotations

import torch
from torch import Tensor

# Length of the first step, mm: without history a gradient has no natural one.
_FIRST_STEP = 2.0


def first_curvature(gradient: Tensor) -> Tensor:
    """(B, P, P): a multiple of the identity, with which Newton's step along gradients (B, P) is 2 mm long."""
    strength = gradient.norm(dim=-1) / _FIRST_STEP
    return torch.diag_embed(strength[:, None].expand_as(gradient))


def updated_curvature(matrix: Tensor, fresh: Tensor, step: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (B, P, P) after BFGS with Powell's damping, and what is still fresh (B,); positive definite they stay.

    A fresh matrix first takes the scale of the curvature along its first step. Where the step or the change is 0 or not
    finite, the matrix stays as it is (Nocedal and Wright, procedure 18.2 and equation 6.20).

    Args:
        matrix: symmetric positive definite.
        fresh: 1 where it has seen no step yet, else 0.
        step: (B, P) s.
        change: (B, P) y, of the gradient along s.
    """
    along = (step * change).sum(-1)
    usable = torch.isfinite(change).all(-1) & (step.norm(dim=-1) > 0)
    rescaled = usable & (fresh > 0) & (along > 0)
    scale = torch.where(rescaled, change.square().sum(-1) / torch.where(rescaled, along, 1.0), 1.0)
    identity = torch.eye(step.shape[-1], dtype=step.dtype)
    matrix = torch.where(rescaled[:, None, None], scale[:, None, None] * identity, matrix)
    curved = (matrix @ step[..., None])[..., 0]
    own = (step * curved).sum(-1)
    usable = usable & (own > 0)
    share = torch.where(along >= 0.2 * own, 1.0, 0.8 * own / torch.where(usable, own - along, 1.0))
    blend = share[:, None] * change + (1 - share[:, None]) * curved
    gained = torch.where(usable, (step * blend).sum(-1), 1.0)
    usable = usable & (gained > 0)
    own = torch.where(usable, own, 1.0)
    update = _outer(blend) / gained[:, None, None] - _outer(curved) / own[:, None, None]
    return matrix + torch.where(usable[:, None, None], update, 0.0), torch.where(usable, 0.0, fresh)


def _outer(vectors: Tensor) -> Tensor:
    return vectors[:, :, None] * vectors[:, None, :]
