"""Stronger domain randomization than the paper's: what the simulator does to X-rays, in a form cheap enough to train.

Images are brightness between 0 and 1, bright = dense, as in :mod:`~SphericalRegLib.simulation.randomize`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def uniform(images: Tensor, generator: torch.Generator, low: float, high: float) -> Tensor:
    """(B, 1, 1) numbers, drawn on the CPU, like the images (B, H, W)."""
    return (low + (high - low) * torch.rand(len(images), 1, 1, generator=generator)).to(images)


def exposure(images: Tensor, generator: torch.Generator) -> Tensor:
    """Taken as a line integral through a patient: exponential, scatter, quantum noise, then the logarithm again.

    The densest point attenuates by e³ to e⁷; scatter is 0.05 to 0.3 of the primary behind the patient, spread over
    4 to 12 % of the width; 10⁴ to 10⁶ quanta arrive in a pixel with nothing in the beam (log-uniform).
    """
    peak = uniform(images, generator, 3.0, 7.0)
    primary = torch.exp(-peak * images.clamp(min=0))
    behind = primary.flatten(1).median(dim=1).values[:, None, None]
    width = images.shape[-1] * float(0.04 + 0.08 * torch.rand(1, generator=generator))
    glow = _blurred(primary.clamp(max=4 * float(behind.amax())), width)
    ratio = uniform(images, generator, 0.05, 0.3)
    signal = primary + ratio * behind * glow / glow.mean(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    quanta = uniform(images, generator, math.log(1e4), math.log(1e6)).exp()
    noisy = signal + (signal / quanta).sqrt() * torch.randn(images.shape, generator=generator).to(images)
    return -torch.log(noisy.clamp(min=0.1 / quanta)) / peak


def instruments(images: Tensor, generator: torch.Generator) -> Tensor:
    """An opaque rectangle of 6 to 20 % of the width and, turned otherwise, a wire of 1 to 3 % across."""
    rows, columns = (torch.linspace(-1, 1, n).to(images) for n in images.shape[-2:])
    grid = (columns[None, None, :], rows[None, :, None])
    bright = images.amax(dim=(1, 2), keepdim=True) * uniform(images, generator, 0.9, 1.2)
    for longer, shorter in (((0.06, 0.2), (0.06, 0.2)), ((0.2, 1.0), (0.01, 0.03))):
        angle = uniform(images, generator, 0.0, math.pi)
        x, y = (g - uniform(images, generator, -0.6, 0.6) for g in grid)
        along = (x * angle.cos() + y * angle.sin()).abs() < uniform(images, generator, *longer)
        across = (y * angle.cos() - x * angle.sin()).abs() < uniform(images, generator, *shorter)
        images = torch.where(along & across, bright, images)
    return images


def beam_masks(count: int, height: int, width: int, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """(count, H, W) float: 1 where the collimator lets the beam through, with up to 15 % cut off at each edge."""
    rows, columns = torch.linspace(0, 1, height)[None, :, None], torch.linspace(0, 1, width)[None, None, :]
    cut = 0.15 * torch.rand(4, count, 1, 1, generator=generator)
    cut = cut * (torch.rand(count, 1, 1, generator=generator) < probability)
    inside = (columns >= cut[0]) & (columns <= 1 - cut[1]) & (rows >= cut[2]) & (rows <= 1 - cut[3])
    return inside.expand(count, height, width).float()


def _blurred(images: Tensor, sigma: float) -> Tensor:
    radius = max(1, math.ceil(2.5 * sigma))
    axis = torch.arange(-radius, radius + 1).to(images)
    kernel = torch.exp(-0.5 * (axis / sigma).square())
    kernel = kernel / kernel.sum()
    padded = F.pad(images[:, None], [radius] * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel[None, None, None, :]), kernel[None, None, :, None])[:, 0]
