"""Mutual information of DRR and X-ray, with its exact gradient; for images whose values follow no common curve.

The joint histogram is made as Mattes et al. make it (IEEE TMI 22, 2003): one bin for each X-ray pixel, a cubic B-spline
as Parzen window over the bins of the DRR, so that the histogram is a smooth function of the DRR. Unlike theirs, bins
are quantiles of the X-ray (no tone curve can empty them), and the DRR is standardized before it is binned, through
which the derivative is carried: bins that moved with the image's extremes would make the gradient wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, Term, check_pair
from SphericalRegLib.similarity.gaussian import eroded, filtered, smoothed, smoothing

# Deviations of the DRR beyond about this many share the outermost bins.
_WIDEST = 3.0
# Of a DRR's variance: a blank one has no information, and no gradient either.
_BLANK = 1e-12
_TINY = 1e-12


@dataclass(frozen=True)
class MutualInformation:
    """Share of the X-ray's information that the DRR does not tell: 1 − I(X; D) / H(X), from 0 to 1.

    This is the uncertainty coefficient of the X-ray given the DRR (Theil 1970). It is no sum of squares: it has no
    Gauss-Newton model, so that optimizers build the curvature from its gradients.

    Attributes:
        bins: of each image; 8 or more.
        sigma: Gaussian smoothing of both images, pixels.
    """

    bins: int = 32
    sigma: float = 0.7

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        usable = mask > 0
        smooth = smoothed(torch.where(usable, xray, xray[usable].mean()), self.sigma)
        shares = torch.linspace(0, 1, self.bins + 1)[1:-1].to(smooth)
        bins = torch.bucketize(smooth, torch.quantile(smooth[usable], shares))
        return _FixedMutualInformation(bins, eroded(mask, 2 * self.sigma + 1).to(xray.dtype), self.bins, self.sigma)


@dataclass(frozen=True)
class _FixedMutualInformation:
    xray_bins: Tensor  # (H, W) int64
    support: Tensor
    bins: int
    sigma: float

    def compare(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Term:
        """See :class:`~SphericalRegLib.similarity.contract.FixedImage`."""
        share = weights.flatten(1)
        share = share / share.sum(-1, keepdim=True).clamp(min=_TINY)
        values = smoothed(images, self.sigma).flatten(1)
        centered = values - (share * values).sum(-1, keepdim=True)
        deviation = ((share * centered.square()).sum(-1, keepdim=True) + _BLANK).sqrt()
        standard = centered / deviation
        bounded = standard / (1 + (standard / _WIDEST) ** 2).sqrt()
        # the window reaches one bin below and two above
        per_unit = (self.bins - 3 - 1e-4) / (2 * _WIDEST)
        place = 1 + (bounded + _WIDEST) * per_unit
        joint, cells, slopes = self._histogram(share, place)
        marginal = joint.sum(1)
        conditional = (joint.clamp(min=_TINY) / marginal[:, None].clamp(min=_TINY)).log()
        of_xray = joint.sum(2)
        entropy = -(of_xray * of_xray.clamp(min=_TINY).log()).sum(-1)
        # I = Σ p(x, d) log p(x, d) / p(d) + H(X); the X-ray's own entropy depends on the weights alone
        information = (joint * conditional).sum((1, 2)) + entropy
        floor = entropy.clamp(min=1e-6)
        cost = 1 - information / floor
        if jacobians.shape[1] == 0:
            return Term(cost, cost.new_zeros(len(cost), 0), None, torch.zeros_like(images))
        told = torch.gather(conditional.flatten(1), 1, cells.flatten(1)).view_as(slopes)
        by_place = -share * (slopes * told).sum(-1) / floor[:, None]
        by_standard = by_place * per_unit * (1 + (standard / _WIDEST) ** 2) ** -1.5 / deviation
        # mean and deviation move with the image
        shift, stretch = by_standard.sum(-1, keepdim=True), (by_standard * standard).sum(-1, keepdim=True)
        by_value = by_standard - share * (shift + stretch * standard)
        gradient = (jacobians.flatten(2) @ self._unsmoothed(by_value.view_as(images)).flatten(1)[..., None])[..., 0]
        return Term(cost, gradient, None, torch.zeros_like(images))

    def _histogram(self, share: Tensor, place: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joint histogram (B, bins of the X-ray, bins of the DRR), and of each pixel the four cells that it fills.

        Cells (B, M, 4) count through the flattened histogram; with them come the derivatives (B, M, 4) of what the
        pixel adds to each, in its place.
        """
        first = place.detach().floor()
        t = place - first
        window = torch.stack(
            [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], dim=-1
        )  # fmt: skip
        slopes = torch.stack(
            [-((1 - t) ** 2) / 2, (3 * t**2 - 4 * t) / 2, (-3 * t**2 + 2 * t + 1) / 2, t**2 / 2], dim=-1
        )
        row = self.xray_bins.flatten() * self.bins
        cells = (row + first.long() - 1)[..., None] + torch.arange(4, device=place.device)
        joint = place.new_zeros(place.shape[0], self.bins * self.bins)
        joint.scatter_add_(1, cells.flatten(1), (share[..., None] * window / 6).flatten(1))
        return joint.view(-1, self.bins, self.bins), cells, slopes

    def _unsmoothed(self, images: Tensor) -> Tensor:
        """The transpose of smoothing, once, in place of smoothing each column of the Jacobian."""
        (height, width), like = images.shape[-2:], (images.dtype, images.device)
        return filtered(images, smoothing(height, self.sigma, *like).T, smoothing(width, self.sigma, *like).T)
