"""Which pixels count: robust weights against what the CT does not show, and the footprint of what it does."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.similarity.gaussian import image_gradient


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


def bone_share(bone: Tensor, image: Tensor, sigma: float = 0.7) -> Tensor:
    """How much of a DRR's gradient is bone's, (B, H, W) in [0, 1].

    w = |∇b|² / (|∇b|² + |∇(I − b)|²). Skin, bowel and fat move, harden the beam otherwise than bone and end where the
    CT ends: edges that they draw tell the pose of something else, mostly in depth. Bone's own stay.

    Args:
        bone: (B, H, W) line integrals of what attenuates beyond soft tissue.
        image: (B, H, W) line integrals of everything.
        sigma: smoothing before gradients are taken, pixels.
    """
    both = torch.stack([bone, image - bone], dim=1)
    squared = image_gradient(both, sigma).square().sum(2)
    # where nothing changes nothing counts
    least = torch.finfo(image.dtype).tiny ** 0.5
    return squared[:, 0] / squared.sum(1).clamp(min=least)
