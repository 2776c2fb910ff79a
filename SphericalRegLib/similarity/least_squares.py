"""Similarities that are sums of squares: their residuals, and what follows from these."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import Term


@dataclass(frozen=True)
class Residual:
    """Residuals of a batch of B poses; the cost is Σ values².

    Attributes:
        values: (B, M), already multiplied by the square root of their weights.
        jacobian: (B, P, M), of ``values`` with respect to P parameters.
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
        """(B, P): the derivative of the cost, 2 J r."""
        return 2 * (self.jacobian @ self.values[..., None])[..., 0]

    @property
    def curvature(self) -> Tensor:
        """(B, P, P): Gauss-Newton's approximation of the second derivative of the cost, 2 J Jᵀ."""
        return 2 * (self.jacobian @ self.jacobian.transpose(-1, -2))

    @property
    def term(self) -> Term:
        """What an optimizer needs of it."""
        return Term(self.cost, self.gradient, self.curvature, self.magnitude)


class LeastSquares(ABC):
    """A fixed image whose cost is a sum of squares: it gives residuals, which training needs, and compares by them."""

    @abstractmethod
    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        """Residuals of DRRs; arguments as in :meth:`~SphericalRegLib.similarity.contract.FixedImage.compare`."""

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.FixedImage`."""
        return self.residual(images, jacobians, weights).term


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
        jacobian: (..., P, M) of y.
        fixed: (..., M) x.
    """
    norm = moving.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(moving.dtype).tiny)
    unit = moving / norm
    reference = fixed / fixed.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(fixed.dtype).tiny)
    along = (jacobian @ unit[..., None])[..., 0]
    return unit - reference, (jacobian - along[..., None] * unit[..., None, :]) / norm[..., None]
