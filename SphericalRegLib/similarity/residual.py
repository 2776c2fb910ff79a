"""What every similarity gives to an optimizer: weighted residuals and their pose Jacobians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError


@dataclass(frozen=True)
class Residual:
    """Residuals of a batch of B poses; the cost is Σ values².

    Attributes:
        values: (B, M), already multiplied by the square root of their weights.
        jacobian: (B, 6, M), of ``values`` with respect to a twist of the pose.
        magnitude: (B, H, W), size of the residual at each pixel before weighting; robust weights are made from it.
    """

    values: Tensor
    jacobian: Tensor
    magnitude: Tensor

    @property
    def cost(self) -> Tensor:
        """(B,)"""
        return (self.values**2).sum(-1)

    @property
    def gradient(self) -> Tensor:
        """(B, 6): half the derivative of the cost."""
        return (self.jacobian @ self.values[..., None])[..., 0]

    @property
    def hessian(self) -> Tensor:
        """(B, 6, 6): Gauss-Newton approximation of half the second derivative of the cost."""
        return self.jacobian @ self.jacobian.transpose(-1, -2)


class FixedImage(Protocol):
    """A similarity to one X-ray at one resolution, ready to be compared with DRRs of that resolution."""

    @property
    def support(self) -> Tensor:
        """(H, W) in [0, 1]: how far each pixel may count; 0 where the X-ray is not usable."""
        ...

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        """Residuals of DRRs (B, H, W) with pose Jacobians (B, 6, H, W) under weights (B, H, W) >= 0.

        Weights are held constant in the derivative. ``support`` is not applied again: callers fold it in.
        """
        ...


class Similarity(Protocol):
    """How alike a DRR and an X-ray are."""

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """Prepare for one X-ray (H, W), bright where dense, of which the pixels in ``mask`` (H, W) may be used."""
        ...


def check_pair(xray: Tensor, mask: Tensor) -> None:
    """Refuse an X-ray that no similarity can use.

    Raises:
        InputError: for sizes that differ, non-finite values, an empty mask or a constant image.
    """
    if xray.ndim != 2 or xray.shape != mask.shape:
        raise InputError(f"X-ray {tuple(xray.shape)} and mask {tuple(mask.shape)} must be 2D and of one size.")
    seen = xray[mask > 0]
    if seen.numel() < 16:
        raise InputError(f"Only {seen.numel()} pixels of the X-ray are usable: check its collimation mask.")
    if not torch.isfinite(seen).all():
        raise InputError("The X-ray holds NaN or infinity inside of its mask: repair the image or mask these pixels.")
    if seen.max() - seen.min() <= 1e-6 * seen.abs().max():
        raise InputError(f"The X-ray is constant ({float(seen[0]):g}) inside of its mask: there is nothing to match.")


def length(gradients: Tensor) -> Tensor:
    """(B, M) Euclidean lengths of the two components in (B, 2, M), cut off from derivatives.

    torch's own norm over an axis that is not the last takes 80 times as long.
    """
    return gradients.detach().square().sum(1).sqrt()


def unit_difference(moving: Tensor, jacobian: Tensor, fixed: Tensor) -> tuple[Tensor, Tensor]:
    """r = y/‖y‖ - x/‖x‖ and its Jacobian, over the last axis.

    Its square is 2 - 2 cos(y, x): a correlation as a least-squares cost. A zero vector has direction 0.

    Args:
        moving: (..., M) y.
        jacobian: (..., 6, M) of y.
        fixed: (..., M) x.
    """
    norm = moving.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(moving.dtype).tiny)
    unit = moving / norm
    reference = fixed / fixed.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(fixed.dtype).tiny)
    along = (jacobian @ unit[..., None])[..., 0]
    return unit - reference, (jacobian - along[..., None] * unit[..., None, :]) / norm[..., None]
