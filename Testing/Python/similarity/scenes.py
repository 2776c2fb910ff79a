"""Images that move smoothly with a twist, whose derivative is known."""

from __future__ import annotations

import torch
from torch import Tensor

HEIGHT, WIDTH = 20, 24


def picture(seed: int = 0) -> Tensor:
    """(H, W) float64, smooth and uneven."""
    generator = torch.Generator().manual_seed(seed)
    v, u = torch.meshgrid(torch.linspace(-1, 1, HEIGHT).double(), torch.linspace(-1, 1, WIDTH).double(), indexing="ij")
    image = 2 + 0.5 * u - 0.2 * v
    for _ in range(6):
        a, b, c, d = (2 * torch.rand(4, generator=generator).double() - 1).tolist()
        image = image + (1 + a) * torch.exp(-((u - b) ** 2 + (v - c) ** 2) / (0.05 + 0.1 * abs(d)))
    return image


def moving_images(x: Tensor) -> Tensor:
    """(B, H, W) of parameters (B, 6), not linear in them."""
    modes = torch.stack([picture(10 + n) for n in range(6)])
    return (picture(1) + torch.einsum("bp,phw->bhw", x, modes)) * torch.exp(0.1 * x.sum(-1))[:, None, None]


def jacobians(x: Tensor) -> Tensor:
    """(B, 6, H, W) of :func:`moving_images`, by hand."""
    modes = torch.stack([picture(10 + n) for n in range(6)])
    factor = torch.exp(0.1 * x.sum(-1))[:, None, None, None]
    return factor * modes + 0.1 * moving_images(x)[:, None]
