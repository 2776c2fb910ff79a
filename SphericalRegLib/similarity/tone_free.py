"""The tone-free gradient residual: the unknown tone curve between DRR and X-ray is eliminated exactly.

If the DRR is a smooth function of the X-ray, I ≈ p(x), then ∇I ≈ p'(x) ∇x. With p' a polynomial, ∇I lies in the span
of b_k = x̄ᵏ ∇x. The residual is what is left of y = ∇I after projection off that span, P⊥ y / ‖y‖: variable projection
(Golub and Pereyra 1973). The span comes from the X-ray alone, so P⊥ does not depend on the pose and the Jacobian is
exact at fixed weights. Its square, 1 - R², reads as a confidence.

Two more things that no pose explains are eliminated where asked for. Scatter lays a blurred image over the sharp one:
the gradient of a wide blur of the X-ray joins the basis. And soft tissue hardens the beam otherwise than bone, so that
no one tone curve fits both: the gradient of what a DRR shows besides bone joins it too, shrunk by a prior, for images
alone hardly tell how strong it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, Term, check_pair
from SphericalRegLib.similarity.gaussian import eroded, image_gradient, smoothed
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual, length

# How much the strength of the rest is held to what the CT says, against what the images say: 0 would be not at all.
_PRIOR = 0.3


@dataclass(frozen=True)
class ToneFreeGradient:
    """Gradient residual that does not depend on the tone curve (gamma, log model, beam hardening).

    Attributes:
        sigma: Gaussian smoothing of both images, pixels.
        order: number of terms of the tone curve's derivative (4: quartic tone curves).
        veil: standard deviation of scatter's blur, pixels; 0 knows of no scatter.
    """

    sigma: float = 0.7
    order: int = 4
    veil: float = 0.0

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        seen = xray[mask > 0]
        filled = torch.where(mask > 0, xray, seen.mean())
        gradient = image_gradient(filled, self.sigma)
        low, high = torch.quantile(seen, torch.tensor([0.02, 0.98]).to(seen))
        standard = (2 * (smoothed(filled, self.sigma) - low) / (high - low).clamp(min=1e-12) - 1).clamp(-1.2, 1.2)
        columns = [standard**k * gradient for k in range(self.order)]
        if self.veil > 0:
            columns.append(image_gradient(filled, self.veil))
        basis = torch.stack(columns)
        return _FixedToneFree(basis.flatten(2), eroded(mask, 2 * self.sigma + 1).to(xray.dtype), self.sigma)


@dataclass(frozen=True)
class _FixedToneFree(LeastSquares):
    basis: Tensor  # (columns, 2, H·W)
    support: Tensor
    sigma: float

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        return self._residual(images, jacobians, weights, None)

    def compare_parted(self, images: Tensor, jacobians: Tensor, weights: Tensor, rest: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.PartedImage`."""
        return self._residual(images, jacobians, weights, image_gradient(rest, self.sigma).flatten(2)).term

    def _residual(self, images: Tensor, jacobians: Tensor, weights: Tensor, rest: Tensor | None) -> Residual:
        """``rest``: (B, 2, H·W) the gradient of a part whose strength is not known, or None."""
        batch = images.shape[0]
        stack = image_gradient(torch.cat([images[:, None], jacobians], dim=1), self.sigma)
        root = weights.flatten(1).sqrt()
        weighted = (stack.flatten(3) * root[:, None, None]).flatten(2)  # (B, 7, 2·H·W)
        columns = self.basis.expand(batch, -1, -1, -1)
        if rest is not None:
            columns = torch.cat([columns, rest[:, None]], 1)
        basis = (columns * root[:, None, None]).flatten(2)  # (B, columns, 2·H·W)
        # Normal equations of so few bounded columns are well conditioned; QR of tall matrices costs ten times more.
        gram = (basis @ basis.transpose(1, 2)).double()
        damping = 1e-7 * gram.diagonal(dim1=1, dim2=2).mean(-1, keepdim=True).clamp(min=1e-30)
        damping = damping.repeat(1, gram.shape[-1])
        if rest is not None:
            damping[:, -1] += _PRIOR * gram[:, -1, -1]
        gram = gram + torch.diag_embed(damping)
        fitted = torch.linalg.solve(gram, (basis @ weighted.transpose(1, 2)).double()).to(weighted.dtype)
        projected = weighted - fitted.transpose(1, 2) @ basis
        norm = weighted[:, :1].norm(dim=-1, keepdim=True).clamp(min=torch.finfo(images.dtype).tiny)
        values = projected[:, 0] / norm[:, 0]
        # divided twice: the square of a blank image's norm underflows
        along = weighted[:, 1:] @ (weighted[:, 0] / norm[:, 0])[..., None] / norm
        jacobian = projected[:, 1:] / norm - along * values[:, None]
        magnitude = length(values.view(batch, 2, -1)) / root.clamp(min=1e-6)
        return Residual(values, jacobian, magnitude.view_as(images))
