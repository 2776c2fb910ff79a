"""The tone-free gradient residual: the unknown tone curve between DRR and X-ray is eliminated exactly.

If the DRR is a smooth function of the X-ray, I ≈ p(x), then ∇I ≈ p'(x) ∇x. With p' a polynomial, ∇I lies in the span
of b_k = x̄ᵏ ∇x. The residual is what is left of y = ∇I after projection off that span, P⊥ y / ‖y‖: variable projection
(Golub and Pereyra 1973). The span comes from the X-ray alone, so P⊥ does not depend on the pose and the Jacobian is
exact at fixed weights. Its square, 1 - R², reads as a confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, check_pair
from SphericalRegLib.similarity.gaussian import eroded, image_gradient, smoothed
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual, length


@dataclass(frozen=True)
class ToneFreeGradient:
    """Gradient residual that does not depend on the tone curve (gamma, log model, beam hardening).

    Attributes:
        sigma: Gaussian smoothing of both images, pixels.
        order: number of terms of the tone curve's derivative (4: quartic tone curves).
    """

    sigma: float = 0.7
    order: int = 4

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        seen = xray[mask > 0]
        filled = torch.where(mask > 0, xray, seen.mean())
        gradient = image_gradient(filled, self.sigma)
        low, high = torch.quantile(seen, torch.tensor([0.02, 0.98]).to(seen))
        standard = (2 * (smoothed(filled, self.sigma) - low) / (high - low).clamp(min=1e-12) - 1).clamp(-1.2, 1.2)
        basis = torch.stack([standard**k * gradient for k in range(self.order)])
        return _FixedToneFree(basis.flatten(2), eroded(mask, 2 * self.sigma + 1).to(xray.dtype), self.sigma)


@dataclass(frozen=True)
class _FixedToneFree(LeastSquares):
    basis: Tensor  # (order, 2, H·W)
    support: Tensor
    sigma: float

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        batch = images.shape[0]
        stack = image_gradient(torch.cat([images[:, None], jacobians], dim=1), self.sigma)
        root = weights.flatten(1).sqrt()
        weighted = (stack.flatten(3) * root[:, None, None]).flatten(2)  # (B, 7, 2·H·W)
        basis = (self.basis * root[:, None, None]).flatten(2)  # (B, order, 2·H·W)
        # Normal equations of so few bounded columns are well conditioned; QR of tall matrices costs ten times more.
        gram = (basis @ basis.transpose(1, 2)).double()
        ridge = 1e-7 * gram.diagonal(dim1=1, dim2=2).mean(-1).clamp(min=1e-30)
        gram = gram + torch.diag_embed(ridge[:, None].expand(-1, gram.shape[-1]))
        fitted = torch.linalg.solve(gram, (basis @ weighted.transpose(1, 2)).double()).to(weighted.dtype)
        projected = weighted - fitted.transpose(1, 2) @ basis
        norm = weighted[:, :1].norm(dim=-1, keepdim=True).clamp(min=torch.finfo(images.dtype).tiny)
        values = projected[:, 0] / norm[:, 0]
        # divided twice: the square of a blank image's norm underflows
        along = weighted[:, 1:] @ (weighted[:, 0] / norm[:, 0])[..., None] / norm
        jacobian = projected[:, 1:] / norm - along * values[:, None]
        magnitude = length(values.view(batch, 2, -1)) / root.clamp(min=1e-6)
        return Residual(values, jacobian, magnitude.view_as(images))
