"""DRRs slid over an X-ray: how well they correlate at every place of it, all at once."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage


@runtime_checkable
class SlidingImage(FixedImage, Protocol):
    """A fixed image that is compared by the correlation of maps, so that DRRs of any size can be slid over it."""

    @property
    def maps(self) -> tuple[Tensor, ...]:
        """Each (C, H, W): what of the X-ray is correlated, C components together."""
        ...

    def maps_of(self, images: Tensor) -> tuple[Tensor, ...]:
        """The same of DRRs (B, H', W'), each (B, C, H', W')."""
        ...


def slide(fixed: SlidingImage, images: Tensor, weights: Tensor, least_overlap: float = 0.5) -> Tensor:
    """Correlation of DRRs with an X-ray at every shift at which the DRR covers it (template matching).

    Args:
        fixed: of an X-ray (H, W).
        images: (B, H', W') DRRs with H' >= H, W' >= W.
        weights: (B, H', W') >= 0, how far each of their pixels counts.
        least_overlap: the share of the weight that usable pixels see at its best shift, below which a shift counts -1:
            a few pixels correlate with anything.

    Returns:
        (B, H' - H + 1, W' - W + 1) in [-1, 1], the mean over the maps. At (y, x) the X-ray's pixel (v, u) lies on the
        DRR's (v + y, u + x).
    """
    support = fixed.support.to(images)
    overlap = _correlated(weights[:, None], support[None])
    total = torch.zeros_like(overlap)
    for still, moving in zip(fixed.maps, fixed.maps_of(images), strict=True):
        product = _correlated(weights[:, None] * moving, support * still)
        of_xray = _correlated(weights[:, None], (support * still.square()).sum(0, keepdim=True))
        of_drr = _correlated(weights[:, None] * moving.square().sum(1, keepdim=True), support[None])
        least = torch.finfo(images.dtype).tiny ** 0.5
        total = total + product / (of_xray * of_drr).clamp(min=least).sqrt()
    enough = overlap >= least_overlap * overlap.amax((2, 3), keepdim=True).clamp(min=1e-6)
    return torch.where(enough, total / len(fixed.maps), -1.0)[:, 0]


def _correlated(images: Tensor, template: Tensor) -> Tensor:
    """(B, 1, Sy, Sx): the sum of products of images (B, C, H', W') with a template (C, H, W) at every shift."""
    return F.conv2d(images, template[None])
