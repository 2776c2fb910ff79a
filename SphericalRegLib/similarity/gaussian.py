"""Gaussian smoothing and derivatives of images as pairs of small matrices.

A separable filter of an H × W image is R I Cᵀ with banded R (H, H) and C (W, W). As matrix products these filters
treat a whole stack of images and Jacobian columns at once, are exactly linear (so that they commute with the pose
Jacobian), and renormalize at the border instead of inventing pixels there.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_CPU = torch.device("cpu")


@lru_cache(maxsize=64)
def smoothing(size: int, sigma: float, dtype: torch.dtype = torch.float32, device: torch.device = _CPU) -> Tensor:
    """(size, size): convolution with a Gaussian of ``sigma`` pixels; rows sum to 1. sigma = 0 is the identity."""
    if sigma <= 0:
        return torch.eye(size, dtype=dtype, device=device)
    position = torch.arange(size, dtype=torch.float64)
    kernel = torch.exp(-((position[:, None] - position) ** 2) / (2 * sigma**2))
    kernel = kernel * ((position[:, None] - position).abs() <= max(1.0, 4 * sigma))
    return (kernel / kernel.sum(dim=1, keepdim=True)).to(device, dtype)


@lru_cache(maxsize=64)
def derivative(size: int, sigma: float, dtype: torch.dtype = torch.float32, device: torch.device = _CPU) -> Tensor:
    """(size, size): smoothed first derivative per pixel; exact for linear images, border rows included."""
    center = torch.zeros(size, size, dtype=torch.float64)
    for i in range(size):
        before, after = max(i - 1, 0), min(i + 1, size - 1)
        if after > before:
            center[i, after] += 1 / (after - before)
            center[i, before] -= 1 / (after - before)
    return (smoothing(size, sigma, torch.float64) @ center).to(device, dtype)


def filtered(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """R I Cᵀ of images (..., H, W) with ``rows`` R (H, H) along rows and ``columns`` C (W, W) along columns."""
    return rows @ (images @ columns.T)


def image_gradient(images: Tensor, sigma: float) -> Tensor:
    """(..., 2, H, W): derivatives along columns (u) and rows (v), per pixel, of images (..., H, W)."""
    (height, width), like = images.shape[-2:], (images.dtype, images.device)
    along_u = filtered(images, smoothing(height, sigma, *like), derivative(width, sigma, *like))
    along_v = filtered(images, derivative(height, sigma, *like), smoothing(width, sigma, *like))
    return torch.stack([along_u, along_v], dim=-3)


def smoothed(images: Tensor, sigma: float) -> Tensor:
    """Images (..., H, W) convolved with a Gaussian of ``sigma`` pixels."""
    (height, width), like = images.shape[-2:], (images.dtype, images.device)
    return filtered(images, smoothing(height, sigma, *like), smoothing(width, sigma, *like))


def eroded(mask: Tensor, radius: float) -> Tensor:
    """1 where every pixel of ``mask`` (..., H, W) within ``radius`` pixels (a square) is nonzero, else 0.

    The image's own border does not erode: filters renormalize there.
    """
    size = 2 * int(radius + 0.5) + 1
    outside = (mask <= 0).to(torch.float32)
    grown = torch.nn.functional.max_pool2d(outside.reshape(-1, 1, *mask.shape[-2:]), size, stride=1, padding=size // 2)
    return 1 - grown.reshape(mask.shape)
