"""Normalized cross-correlation: global, local (multi-scale), and of gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from SphericalRegLib.similarity.contract import FixedImage, check_pair
from SphericalRegLib.similarity.gaussian import eroded, image_gradient, smoothed
from SphericalRegLib.similarity.least_squares import LeastSquares, Residual, length, unit_difference


@dataclass(frozen=True)
class NCC:
    """Normalized cross-correlation of intensities; cost 2 - 2 NCC."""

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        return _FixedNCC(torch.where(mask > 0, xray, xray[mask > 0].mean()), (mask > 0).to(xray.dtype))


@dataclass(frozen=True)
class _FixedNCC(LeastSquares):
    xray: Tensor
    support: Tensor

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        w = weights.flatten(1)
        total = w.sum(-1, keepdim=True).clamp(min=1e-12)
        x = self.xray.flatten().expand_as(w)
        y, j = images.flatten(1), jacobians.flatten(2)
        root = w.sqrt()
        x = (x - (w * x).sum(-1, keepdim=True) / total) * root
        y = (y - (w * y).sum(-1, keepdim=True) / total) * root
        j = (j - (j @ w[..., None]) / total[..., None]) * root[:, None]
        values, jacobian = unit_difference(y, j, x)
        magnitude = values.abs() / root.clamp(min=1e-6)
        return Residual(values, jacobian, magnitude.view_as(images))


@dataclass(frozen=True)
class GradientNCC:
    """Normalized cross-correlation of the two gradient components; cost is the mean of 2 - 2 NCC over both.

    Attributes:
        sigma: Gaussian smoothing, pixels.
    """

    sigma: float = 1.0

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        gradient = image_gradient(torch.where(mask > 0, xray, xray[mask > 0].mean()), self.sigma)
        return _FixedGradientNCC(gradient, eroded(mask, 2 * self.sigma + 1).to(xray.dtype), self.sigma)


@dataclass(frozen=True)
class _FixedGradientNCC(LeastSquares):
    gradient: Tensor
    support: Tensor
    sigma: float

    @property
    def maps(self) -> tuple[Tensor, ...]:
        return (self.gradient,)

    def maps_of(self, images: Tensor) -> tuple[Tensor, ...]:
        return (image_gradient(images, self.sigma),)

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        stack = image_gradient(torch.cat([images[:, None], jacobians], dim=1), self.sigma).flatten(3)
        root = weights.flatten(1).sqrt()
        y = stack[:, 0] * root[:, None]
        j = stack[:, 1:].transpose(1, 2) * root[:, None, None]
        x = self.gradient.flatten(1) * root[:, None]
        half = 0.5**0.5
        values, jacobian = unit_difference(y, j, x)
        magnitude = length(values) / root.clamp(min=1e-6)
        return Residual(
            half * values.flatten(1),
            half * jacobian.transpose(1, 2).flatten(2),
            magnitude.view_as(images),
        )


@dataclass(frozen=True)
class LocalNCC:
    """Normalized cross-correlation in Gaussian windows of one or several widths, averaged.

    Both images are standardized by their local mean and deviation; the residual is the difference.

    Attributes:
        windows: Gaussian widths of the windows, pixels.
        floor: local deviations below this fraction of the global one count as flat (noise is not amplified).
    """

    windows: tuple[float, ...] = (4.0,)
    floor: float = 0.1

    def fix(self, xray: Tensor, mask: Tensor) -> FixedImage:
        """See :class:`~SphericalRegLib.similarity.contract.Similarity`."""
        check_pair(xray, mask)
        filled = torch.where(mask > 0, xray, xray[mask > 0].mean())
        standardized = torch.stack([_standardize(filled[None], None, s, self.floor)[0][0] for s in self.windows])
        return _FixedLocalNCC(standardized, eroded(mask, min(self.windows)).to(xray.dtype), self.windows, self.floor)


@dataclass(frozen=True)
class _FixedLocalNCC(LeastSquares):
    standardized: Tensor
    support: Tensor
    windows: tuple[float, ...]
    floor: float

    @property
    def maps(self) -> tuple[Tensor, ...]:
        return tuple(one[None] for one in self.standardized)

    def maps_of(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(_standardize(images, None, window, self.floor)[0][:, None] for window in self.windows)

    def residual(self, images: Tensor, jacobians: Tensor, weights: Tensor) -> Residual:
        total = weights.flatten(1).sum(-1).clamp(min=1e-12) * len(self.windows)
        root = (weights / total[:, None, None]).sqrt()
        values, columns, squared = [], [], torch.zeros_like(images)
        for window, fixed in zip(self.windows, self.standardized, strict=True):
            y, j = _standardize(images, jacobians, window, self.floor)
            assert j is not None
            values.append(((y - fixed) * root).flatten(1))
            columns.append((j * root[:, None]).flatten(2))
            squared = squared + (y - fixed) ** 2
        return Residual(torch.cat(values, -1), torch.cat(columns, -1), squared.sqrt())


def _standardize(images: Tensor, jacobians: Tensor | None, window: float, floor: float) -> tuple[Tensor, Tensor | None]:
    """(I - local mean) / local deviation of images (B, H, W), and its Jacobian (B, 6, H, W)."""
    centered = images - smoothed(images, window)
    quiet = (floor * images.flatten(1).std(dim=-1)[:, None, None]) ** 2
    variance = smoothed(centered**2, window) + quiet.clamp(min=torch.finfo(images.dtype).tiny)
    deviation = variance.sqrt()
    standardized = centered / deviation
    if jacobians is None:
        return standardized, None
    moved = jacobians - smoothed(jacobians, window)
    spread = smoothed(centered[:, None] * moved, window)
    flat, jac = images.flatten(1), jacobians.flatten(2)
    pixels = flat.shape[-1]
    # derivative of the floor: floor² · d(global variance) / 2
    drift = (jac @ (flat - flat.mean(-1, keepdim=True))[..., None])[..., 0] * floor**2 / (pixels - 1)
    change = (spread + drift[..., None, None]) / variance[:, None]
    return standardized, moved / deviation[:, None] - standardized[:, None] * change
