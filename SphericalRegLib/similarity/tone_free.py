"""The tone-free gradient residual: the unknown tone curve between DRR and X-ray is eliminated exactly.

If the DRR is a smooth function of the X-ray, I ≈ p(x), then ∇I ≈ p'(x) ∇x. With p' a polynomial, ∇I lies in the span
of b_k = x̄ᵏ ∇x. The residual is what is left of y = ∇I after projection off that span, P⊥ y / ‖y‖: variable projection
(Golub and Pereyra 1973). The span comes from the X-ray alone, so P⊥ does not depend on the pose and the Jacobian is
exact at fixed weights. Its square, 1 - R², reads as a confidence.

Two more things that no pose explains are eliminated where asked for. Scatter lays a blurred image over the sharp one:
the gradient of a wide blur of the X-ray joins the basis. And no one tone curve fits bone and soft tissue: they harden
the beam differently. To second order in the line integrals b of bone and s of the rest, a polychromatic beam shows
b + (1 + γ₁) s + γ₂ b s up to a tone curve (expand -ln Σ w_E exp(-μ_b b - μ_s s); terms of the sum of both are tone).
The γ that fit best are found at each pose, held by a prior to what tubes do, and eliminated like the tone curve
(``matched_strengths``); what they fit is compared by its own length, so that an image is never explained by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, Term, check_pair
from SphericalRegLib.similarity.gaussian import eroded, image_gradient, smoothed
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual, length

# Standard deviations that tubes of 60 to 120 kV give γ₁ and γ₂, and what one of them costs. A twentieth of that let a
# hip end 16 mm off in depth, with strengths that no tube has.
_DEVIATIONS = (0.3, 0.1)
_PRIOR = 2e-2
# Times that a step of the strengths is shortened to a quarter before it is given up.
_HALVINGS = 6


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
        root = weights.flatten(1).sqrt()
        weighted = self._weighted_gradients(torch.cat([images[:, None], jacobians], dim=1), root)
        basis = self._weighted_basis(root)
        values, jacobian = _unit_residual(weighted, weighted - self._on_basis(weighted, basis))
        return Residual(values, jacobian, self._magnitude(values, root, images))

    def compare_parted(
        self, images: Tensor, jacobians: Tensor, weights: Tensor, rest: Tensor, rest_jacobians: Tensor
    ) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.PartedImage`."""
        root = weights.flatten(1).sqrt()
        bone = images - rest
        basis = self._weighted_basis(root)
        still = self._weighted_gradients(torch.stack([images, rest, bone * rest], dim=1), root)
        left = still - self._on_basis(still, basis)
        strengths = matched_strengths(_products(left), _products(still), self._held(images)).to(images)
        weaker, crossed = strengths.T[:, :, None, None, None]
        columns = jacobians + weaker * rest_jacobians
        columns = columns + crossed * (bone[:, None] * rest_jacobians + rest[:, None] * (jacobians - rest_jacobians))
        moving = self._weighted_gradients(columns, root)
        mixed = still[:, :1] + strengths[:, None] @ still[:, 1:]
        mixed_left = left[:, :1] + strengths[:, None] @ left[:, 1:]
        values, derivatives = _unit_residual(
            torch.cat([mixed, still[:, 1:], moving], 1),
            torch.cat([mixed_left, left[:, 1:], moving - self._on_basis(moving, basis)], 1),
        )
        # the strengths follow the pose: what they can make of a step is no evidence against it
        prior = self._held(images).to(images).sqrt()
        count = strengths.shape[1]
        of_strengths = torch.cat([derivatives[:, :count], torch.diag(prior).expand(len(images), -1, -1)], 2)
        of_pose = torch.nn.functional.pad(derivatives[:, count:], (0, count))
        normal = (of_strengths @ of_strengths.transpose(1, 2)).double()
        mixed_terms = (of_strengths @ of_pose.transpose(1, 2)).double()
        followed = torch.linalg.solve(normal, mixed_terms).to(images)
        residual = Residual(
            torch.cat([values, strengths * prior], 1),
            of_pose - followed.transpose(1, 2) @ of_strengths,
            self._magnitude(values, root, images),
        )
        return residual.term

    @staticmethod
    def _held(like: Tensor) -> Tensor:
        """(2,) float64 cost of a strength's square."""
        return _PRIOR / torch.tensor(_DEVIATIONS, dtype=torch.float64, device=like.device).square()

    def _weighted_gradients(self, images: Tensor, root: Tensor) -> Tensor:
        """(B, N, 2·H·W) gradients of images (B, N, H, W), times the roots (B, H·W) of weights."""
        return (image_gradient(images, self.sigma).flatten(3) * root[:, None, None]).flatten(2)

    def _weighted_basis(self, root: Tensor) -> Tensor:
        """(B, columns, 2·H·W)"""
        return (self.basis.expand(len(root), -1, -1, -1) * root[:, None, None]).flatten(2)

    @staticmethod
    def _on_basis(vectors: Tensor, basis: Tensor) -> Tensor:
        """Projections (B, N, M) of vectors (B, N, M) on the span of a basis (B, columns, M)."""
        # Normal equations of so few bounded columns are well conditioned; QR of tall matrices costs ten times more.
        gram = (basis @ basis.transpose(1, 2)).double()
        damping = 1e-7 * gram.diagonal(dim1=1, dim2=2).mean(-1, keepdim=True).clamp(min=1e-30)
        gram = gram + torch.diag_embed(damping.expand(-1, gram.shape[-1]))
        fitted = torch.linalg.solve(gram, (basis @ vectors.transpose(1, 2)).double()).to(vectors.dtype)
        return fitted.transpose(1, 2) @ basis

    @staticmethod
    def _magnitude(values: Tensor, root: Tensor, images: Tensor) -> Tensor:
        sizes = length(values.view(len(images), 2, -1)) / root.clamp(min=1e-6)
        return sizes.view_as(images)


def _unit_residual(vectors: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """(B, M) P⊥ y / ‖y‖ and its derivatives (B, N, M), of vectors (B, 1 + N, M) y and its derivatives, and of what the
    projection leaves of them."""
    norm = vectors[:, :1].norm(dim=-1, keepdim=True).clamp(min=torch.finfo(vectors.dtype).tiny)
    values = left[:, 0] / norm[:, 0]
    # divided twice: the square of a blank image's norm underflows
    along = vectors[:, 1:] @ (vectors[:, 0] / norm[:, 0])[..., None] / norm
    return values, left[:, 1:] / norm - along * values[:, None]


def _products(vectors: Tensor) -> Tensor:
    """(B, N, N) float64 inner products of (B, N, M)."""
    return (vectors @ vectors.transpose(1, 2)).double()


def matched_strengths(left: Tensor, whole: Tensor, held: Tensor, rounds: int = 20) -> Tensor:
    """The γ (B, N) that minimize gᵀ L g / gᵀ W g + Σ h γ², g = (1, γ).

    Newton's method with the absolute values of the curvatures (Dauphin et al., NIPS 2014, section 6), for the ratio is
    not convex, and steps that are shortened until the cost falls.

    Args:
        left: (B, 1 + N, 1 + N) float64, L, positive semidefinite.
        whole: (B, 1 + N, 1 + N) float64, W - L positive semidefinite.
        held: (N,) float64, h above 0.
        rounds: at most.
    """
    strengths = left.new_zeros(len(left), len(held))
    tiny = torch.finfo(left.dtype).tiny

    def mixed(strengths: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(strengths[:, :1]), strengths], 1)[..., None]

    def ratio_and_size(mix: Tensor) -> tuple[Tensor, Tensor]:
        size = (mix.transpose(1, 2) @ whole @ mix).clamp(min=tiny)
        return (mix.transpose(1, 2) @ left @ mix) / size, size

    def cost(strengths: Tensor) -> Tensor:
        return ratio_and_size(mixed(strengths))[0][:, 0, 0] + (held * strengths.square()).sum(-1)

    now = cost(strengths)
    for _ in range(rounds):
        mix = mixed(strengths)
        ratio, size = ratio_and_size(mix)
        form = (left - ratio * whole) / size
        slope = 2 * (form @ mix)[:, 1:, 0]
        gradient = slope + 2 * held * strengths
        along = 2 * (whole @ mix)[:, 1:, 0] / size[:, 0]
        turned = slope[:, :, None] * along[:, None, :]
        curvature = 2 * form[:, 1:, 1:] - turned - turned.transpose(1, 2) + 2 * torch.diag(held)
        values, axes = torch.linalg.eigh(curvature)
        values = values.abs().clamp(min=float(2 * held.min()))
        step = -(axes @ ((axes.transpose(1, 2) @ gradient[..., None]) / values[..., None]))[..., 0]
        if bool((step.abs().amax(-1) < 1e-7).all()):
            break
        trial = cost(strengths + step)
        for _ in range(_HALVINGS):
            step = torch.where((trial > now)[:, None], 0.25 * step, step)
            trial = cost(strengths + step)
            if bool((trial <= now).all()):
                break
        better = trial <= now
        strengths = torch.where(better[:, None], strengths + step, strengths)
        now = torch.where(better, trial, now)
    return strengths
