"""What every similarity gives: the cost of a DRR against one X-ray, its gradient, and its curvature where known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from SphericalRegLib.errors import InputError


@dataclass(frozen=True)
class Term:
    """A cost of B poses and its derivatives in P parameters.

    Attributes:
        cost: (B,), 0 or more; what it means and which value is good is the similarity's own.
        gradient: (B, P), the derivative of ``cost`` at fixed weights.
        curvature: (B, P, P), a positive semidefinite model of the second derivative of ``cost`` (Gauss-Newton's, for
            sums of squares); None where the similarity has none, and an optimizer that needs it builds its own from
            gradients (BFGS).
        magnitude: (B, H, W), how badly each pixel fits, before weighting; robust weights are made from it. Zeros where
            the cost does not come pixel by pixel: then every pixel keeps its vote.
    """

    cost: Tensor
    gradient: Tensor
    curvature: Tensor | None
    magnitude: Tensor


class FixedImage(Protocol):
    """A similarity to one X-ray at one resolution, ready to be compared with DRRs of that resolution."""

    @property
    def support(self) -> Tensor:
        """(H, W) in [0, 1]: how far each pixel may count; 0 where the X-ray is not usable."""
        ...

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """The cost of DRRs (B, H, W) with derivatives (B, P, H, W) in P parameters, under weights (B, H, W) >= 0.

        P may be 0: then only the cost is wanted. Weights are held constant in the derivative. ``support`` is not
        applied again: callers fold it in.
        """
        ...


@runtime_checkable
class PartedImage(FixedImage, Protocol):
    """A fixed image that can do without knowing how strong one part of a DRR is against the other."""

    def compare_parted(self, images: Tensor, jacobians: Tensor, weights: Tensor, rest: Tensor) -> Term:
        """As :meth:`FixedImage.compare`, where ``rest`` (B, H, W), a part of the DRRs, may be of another strength.

        ``rest`` is held constant in the derivative, like weights.
        """
        ...


class Similarity(Protocol):
    """How alike a DRR and an X-ray are."""

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """Prepare for one X-ray (H, W), bright where dense, of which the pixels in ``mask`` (H, W) may be used.

        Raises:
            InputError: see :func:`check_pair`.
        """
        ...


def check_pair(xray: Tensor, mask: Tensor) -> None:
    """Refuse an X-ray that no similarity can use.

    Raises:
        InputError: for sizes that differ, non-finite values, an empty mask or a constant image.
    """
    if xray.ndim != 2 or xray.shape != mask.shape:
        raise InputError(f"X-ray {tuple(xray.shape)} and mask {tuple(mask.shape)} must be 2D and of one size.")
    usable = xray[mask > 0]
    if usable.numel() < 16:
        raise InputError(
            f"Only {usable.numel()} pixels of the X-ray are usable: tell which are (mask='none': all of them; "
            "mask=FILE: a picture of them)."
        )
    if not torch.isfinite(usable).all():
        raise InputError("The X-ray holds NaN or infinity inside of its mask: repair the image or mask these pixels.")
    if usable.max() - usable.min() <= 1e-6 * usable.abs().max():
        raise InputError(f"The X-ray is constant ({float(usable[0]):g}) inside of its mask: there is nothing to match.")
