"""Which pixels count: robust weights against what the CT does not show, and the footprint of what it does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def robust_weights(magnitude: Tensor, typical: Tensor, scale: float = 2.5) -> Tensor:
    """Geman-McClure weights (B, H, W) in [0, 1] of residual magnitudes (B, H, W).

    w = 1 / (1 + (r/c)²)², c = scale × 1.4826 × median |r| over the pixels where ``typical`` is positive: those behind
    the body, for air always fits, and much of it would make outliers of the body's own edges. A redescending weight:
    the edges of an instrument, far stronger than any edge of bone, lose their vote altogether (Cauchy's leaves them
    enough to tilt the pose in depth).
    """
    flat = torch.where(typical > 0, magnitude, torch.nan).flatten(1)
    median = flat.nanmedian(dim=-1).values.nan_to_num(1.0)
    cutoff = (scale * 1.4826 * median).clamp(min=torch.finfo(magnitude.dtype).tiny ** 0.5)
    return (1 + (magnitude / cutoff[:, None, None]) ** 2) ** -2


def footprint(images: Tensor, radius: int, threshold: float = 0.02) -> Tensor:
    """1 where a DRR (B, H, W) is above ``threshold`` of its maximum or within ``radius`` pixels of such a place.

    With only some bones rendered, the rest of the X-ray says nothing about them.
    """
    peak = images.flatten(1).amax(-1)[:, None, None]
    inside = ((images > threshold * peak) & (images > 0)).to(images.dtype)
    if radius < 1:
        return inside
    return F.max_pool2d(inside[:, None], 2 * radius + 1, stride=1, padding=radius)[:, 0]
