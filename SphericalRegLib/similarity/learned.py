"""Similarity of learned features: both images through an encoder, compared pixel by pixel on a manifold.

The Jacobian is exact: the encoder's derivative along the renderer's six Jacobian images (Chen and Kong, WACV 2026:
J = ∂Φm/∂θ). An encoder may have a method ``linearize(images, directions)`` for it; any other is differentiated in
forward mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, check_pair
from SphericalRegLib.similarity.forward_mode import linearized
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual
from SphericalRegLib.similarity.manifolds import Manifold, Spherical

Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LearnedSimilarity:
    """Mean dissimilarity of features; on the sphere the mean of 1 − ⟨Φm, Φf⟩, from 0 to 2.

    Attributes:
        moving: encoder of DRRs, standardized images (B, 1, H, W) to features (B, C, h, w).
        fixed: encoder of X-rays; may be the same.
        manifold: where features are compared.
    """

    moving: Encode = field(repr=False)
    fixed: Encode = field(repr=False)
    manifold: Manifold = field(default_factory=Spherical)

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        return self.fix_batch(xray[None], mask)

    def fix_batch(self, xrays: Tensor, mask: Tensor) -> FixedLearned:
        """The same for X-rays (B, H, W) that are compared with a DRR each, as in training; gradients are kept."""
        support = (mask > 0).to(xrays)
        points = self.manifold.embed(self.fixed(standardized(xrays, support)[:, None]))
        return FixedLearned(points, support, self.moving, self.manifold)


@dataclass(frozen=True)
class FixedLearned(LeastSquares):
    """X-rays ready to be compared."""

    points: Tensor  # (1 or B, D, h, w)
    support: Tensor
    moving: Encode = field(repr=False)
    manifold: Manifold

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        """See :class:`~SphericalRegLib.similarity.least_squares.LeastSquares`."""
        batch = images.shape[0]
        height, width = self.points.shape[-2:]
        cells = F.adaptive_avg_pool2d(weights[:, None], (height, width))
        root = (cells / (2 * cells.sum(dim=(-2, -1), keepdim=True)).clamp(min=1e-12)).sqrt()

        fixed = self.points.expand(batch, *self.points.shape[1:])
        if jacobians.shape[1] == 0:
            features = self.moving(standardized(images, self.support)[:, None])
            values = self.manifold.residual(self.manifold.embed(features), fixed)
            columns = values.new_zeros(batch, 0, values[0].numel())
        else:
            inputs, directions = _standardized_along(images, jacobians, self.support)
            features, tangents = _encoded(self.moving, inputs[:, None], directions[:, :, None])
            values, columns = self.manifold.linearize(features, tangents, fixed)
            columns = (columns * root[:, None]).flatten(2)
        magnitude = F.interpolate(values.detach().square().sum(1, keepdim=True).sqrt(), images.shape[-2:])[:, 0]
        return Residual((values * root).flatten(1), columns, magnitude)


def standardized(images: Tensor, support: Tensor) -> Tensor:
    """Images (B, H, W) with mean 0 and deviation 1 where ``support`` (H, W) or (B, H, W) is 1; 0 elsewhere."""
    total = _count(support)
    centered = _centered(images, support, total)
    return centered * _scale(centered, total)


def _standardized_along(images: Tensor, jacobians: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
    """The same, and its derivatives (B, P, H, W) along jacobians (B, P, H, W)."""
    support = support.expand_as(images)
    total = _count(support)
    centered = _centered(images, support, total)
    scale = _scale(centered, total)
    unit = (centered * scale)[:, None]
    moved = _centered(jacobians, support[:, None], total[:, None])
    along = (moved * unit).sum(dim=(-2, -1), keepdim=True) / total[:, None]
    return unit[:, 0], (moved - unit * along) * scale[:, None]


def _count(support: Tensor) -> Tensor:
    return support.sum(dim=(-2, -1), keepdim=True).clamp(min=1.0)


def _centered(images: Tensor, support: Tensor, total: Tensor) -> Tensor:
    return (images - (images * support).sum(dim=(-2, -1), keepdim=True) / total) * support


def _scale(centered: Tensor, total: Tensor) -> Tensor:
    # a blank DRR has no deviation: it stays blank
    return (centered.square().sum(dim=(-2, -1), keepdim=True) / total + 1e-12).rsqrt()


def _encoded(encode: Encode, inputs: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Features and their derivatives: the encoder's own way where it has one, torch's forward mode otherwise."""
    own: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = getattr(encode, "linearize", None)
    return linearized(encode, inputs, directions) if own is None else own(inputs, directions)
