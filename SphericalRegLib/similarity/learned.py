"""Similarity of learned features: both images through an encoder, compared pixel by pixel on a manifold.

The Jacobian is exact: the encoder's derivative along the renderer's six Jacobian images (Chen and Kong, WACV 2026:
J = ∂Φm/∂θ). An encoder may have a method ``linearize(images, directions)`` for it; any other is differentiated in
forward mode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from SphericalRegLib.similarity.manifolds import Manifold, Spherical
from SphericalRegLib.similarity.residual import FixedImage, Residual, check_pair

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
        """See :class:`~SphericalRegLib.similarity.residual.Similarity`."""
        check_pair(xray, mask)
        return self.fix_batch(xray[None], mask)

    def fix_batch(self, xrays: Tensor, mask: Tensor) -> FixedLearned:
        """The same for X-rays (B, H, W) that are compared with a DRR each, as in training; gradients are kept."""
        support = (mask > 0).to(xrays)
        points = self.manifold.embed(self.fixed(standardized(xrays, support)[:, None]))
        return FixedLearned(points, support, self.moving, self.manifold)


@dataclass(frozen=True)
class FixedLearned:
    """X-rays ready to be compared."""

    points: Tensor  # (1 or B, D, h, w)
    support: Tensor
    moving: Encode = field(repr=False)
    manifold: Manifold

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        """See :class:`~SphericalRegLib.similarity.residual.FixedImage`."""
        batch = images.shape[0]
        height, width = self.points.shape[-2:]
        cells = F.adaptive_avg_pool2d(weights[:, None], (height, width))
        root = (cells / (2 * cells.sum(dim=(-2, -1), keepdim=True)).clamp(min=1e-12)).sqrt()

        def encoder_input(drrs: Tensor) -> Tensor:
            return standardized(drrs, self.support)[:, None]

        def difference(features: Tensor) -> Tensor:
            points = self.manifold.embed(features)
            return self.manifold.residual(points, self.points.expand_as(points))

        if jacobians.shape[1] == 0:
            values = difference(self.moving(encoder_input(images)))
            columns = values.new_zeros(batch, 0, values[0].numel())
        else:
            inputs = _with_columns(encoder_input, images, jacobians)
            values, columns = _with_columns(difference, *_linearized(self.moving, *inputs))
            columns = (columns * root[:, None]).flatten(2)
        magnitude = F.interpolate(values.detach().square().sum(1, keepdim=True).sqrt(), images.shape[-2:])[:, 0]
        return Residual((values * root).flatten(1), columns, magnitude)


def standardized(images: Tensor, support: Tensor) -> Tensor:
    """Images (B, H, W) with mean 0 and deviation 1 where ``support`` (H, W) or (B, H, W) is 1; 0 elsewhere."""
    total = support.sum(dim=(-2, -1), keepdim=True).clamp(min=1.0)
    centered = (images - (images * support).sum(dim=(-2, -1), keepdim=True) / total) * support
    variance = centered.square().sum(dim=(-2, -1), keepdim=True) / total
    # a blank DRR has no deviation: it stays blank
    return centered / (variance + 1e-12).sqrt()


def _linearized(encode: Encode, inputs: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Features and their derivatives: the encoder's own way where it has one, torch's forward mode otherwise."""
    own: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = getattr(encode, "linearize", None)
    return own(inputs, directions) if own is not None else _with_columns(encode, inputs, directions)


def _with_columns(function: Callable[[Tensor], Tensor], images: Tensor, jacobians: Tensor) -> tuple[Tensor, Tensor]:
    """A function's values (B, ...) and their derivatives (B, P, ...) along jacobians (B, P, ...)."""

    def along(direction: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.func.jvp(function, (images,), (direction,)))

    # the values depend on no direction, so that vmap computes them once
    values, columns = torch.func.vmap(along, in_dims=1)(jacobians)
    return values[0], columns.movedim(0, 1)
