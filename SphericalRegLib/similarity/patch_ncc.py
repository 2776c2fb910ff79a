"""Normalized cross-correlation in all square patches of one size, as DiffPose and its successors compare images.

V. Gopalakrishnan et al., CVPR 2024: the mean over all patches of 13 × 13 pixels. Where :class:`LocalNCC` standardizes
each pixel in a window of its own, here every patch is standardized as a whole, and the cost is exactly the sum of
squares of what is then left. Its derivatives need no vector of all patches' pixels: sums over patches of products are
enough, also for the Gauss-Newton model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError
from SphericalRegLib.similarity.contract import FixedImage, Term, check_pair
from SphericalRegLib.similarity.gaussian import eroded, filtered

_CPU = torch.device("cpu")
_TINY = 1e-12


@dataclass(frozen=True)
class PatchNCC:
    """Cost ‖x̂ − ŷ‖² of patches x̂, ŷ with mean 0 and length 1, the mean over all patches; about 2 − 2 NCC.

    Attributes:
        size: pixels along each side of a patch; odd.
        floor: deviations within a patch below this fraction of the image's count as flat (noise is not amplified).

    Raises:
        InputError: for a size that is even or below 3.
    """

    size: int = 13
    floor: float = 0.05

    def __post_init__(self) -> None:
        if self.size < 3 or self.size % 2 == 0:
            raise InputError(f"The patches' size is {self.size} pixels: give an odd number of 3 or more, usually 13.")

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        usable = mask > 0
        filled = torch.where(usable, xray, xray[usable].mean())
        # patches that reach over an edge of the mask are smaller, not wrong
        return _FixedPatchNCC(filled - xray[usable].mean(), eroded(mask, 0).to(xray.dtype), self.size, self.floor)


@dataclass(frozen=True)
class _FixedPatchNCC:
    xray: Tensor
    support: Tensor
    size: int
    floor: float

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.FixedImage`."""
        w = weights[:, None]
        x = _centered(self.xray.to(images).expand_as(images)[:, None], w)
        y, j = _centered(images[:, None], w), _centered(jacobians, w)
        count = self._sums(w).clamp(min=_TINY)
        total = w.sum(dim=(-2, -1), keepdim=True).clamp(min=_TINY)

        def within(a: Tensor, b: Tensor) -> Tensor:
            """Σ (a − ā)(b − b̄) over each patch."""
            return self._sums(w * a * b) - self._sums(w * a) * self._sums(w * b) / count

        def variance(a: Tensor) -> Tensor:
            return (w * a.square()).sum(dim=(-2, -1), keepdim=True) / total

        # no patch's deviation counts as less than this; relative to the image, so that contrast does not matter
        quiet = self.floor**2 * count
        length_x = (within(x, x).clamp(min=0) + quiet * variance(x) + _TINY).sqrt()
        square_y = within(y, y).clamp(min=0)
        length_y = (square_y + quiet * variance(y) + _TINY).sqrt()
        norm_y, norm_x = square_y / length_y.square(), within(x, x).clamp(min=0) / length_x.square()
        cosine = within(x, y) / (length_x * length_y)
        each = (norm_x + norm_y - 2 * cosine).clamp(min=0)
        share = count * (count > 1e-6) / (count * (count > 1e-6)).sum(dim=(-2, -1), keepdim=True).clamp(min=_TINY)
        cost = (share * each).sum(dim=(1, 2, 3))
        magnitude = each[:, 0].detach().sqrt()
        parameters = jacobians.shape[1]
        if parameters == 0:
            return Term(cost, cost.new_zeros(len(cost), 0), cost.new_zeros(len(cost), 0, 0), magnitude)
        own = within(y, j)
        # how the length that y is divided by changes, relative to it; the floor moves with the image
        moved = (w * y * j).sum(dim=(-2, -1), keepdim=True) / total
        stretch = (own + quiet * moved) / length_y.square()
        u_j, x_j = own / length_y, within(x, j) / length_x
        slope = 2 * ((u_j - x_j) / length_y + (cosine - norm_y) * stretch)
        gradient = (share * slope).sum(dim=(-2, -1))
        return Term(cost, gradient, self._curvature(j, w, count, share, length_y, norm_y, u_j, stretch), magnitude)

    def _curvature(
        self,
        j: Tensor,
        w: Tensor,
        count: Tensor,
        share: Tensor,
        length: Tensor,
        norm: Tensor,
        along: Tensor,
        stretch: Tensor,
    ) -> Tensor:
        """2 Σ ŷ_aᵀ ŷ_b of the standardized patches' derivatives, (B, P, P)."""
        batch, parameters = j.shape[:2]
        # over patches, sums of products are sums of what each pixel is worth: one pass in place of one each
        worth = self._sums(share / length.square()) * w
        products = torch.einsum("bphw,bqhw->bpq", worth * j, j)
        means = self._sums(w * j)
        products = products - torch.einsum("bphw,bqhw->bpq", share / (length.square() * count) * means, means)
        crossed = torch.einsum("bphw,bqhw->bpq", share / length * along, stretch)
        squares = torch.einsum("bphw,bqhw->bpq", share * norm * stretch, stretch)
        result: Tensor = 2 * (products - crossed - crossed.mT + squares)
        assert result.shape == (batch, parameters, parameters)
        return result

    def _sums(self, images: Tensor) -> Tensor:
        """Over the patch around each pixel, of images (..., H, W)."""
        height, width = images.shape[-2:]
        like = (images.dtype, images.device)
        return filtered(images, _patches(height, self.size, *like), _patches(width, self.size, *like))


def _centered(images: Tensor, weights: Tensor) -> Tensor:
    """Less their weighted mean: sums of squares of large numbers would lose digits."""
    total = weights.sum(dim=(-2, -1), keepdim=True).clamp(min=_TINY)
    return images - (weights * images).sum(dim=(-2, -1), keepdim=True) / total


@lru_cache(maxsize=32)
def _patches(length: int, size: int, dtype: torch.dtype, device: torch.device = _CPU) -> Tensor:
    """(length, length): row i is 1 within half a patch of i."""
    place = torch.arange(length)
    return ((place[:, None] - place).abs() <= size // 2).to(device, dtype)
