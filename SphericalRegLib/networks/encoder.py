"""A small CNN-Transformer encoder of images to feature maps (ξ of Chen and Kong, WACV 2026).

Everything in it has forward-mode derivatives that can be differentiated again: attention is written out (torch's fused
one has none), and positions enter as waves over the image's width and height, so that any image size will do. The same
derivatives, faster, are :meth:`Encoder.linearize`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.layers import GELU, Block, Convolution, GroupNorm, LayerNorm, Linear

#: Pixels of the image along each axis of one feature.
STRIDE = 8
# Wavelengths of positions along each axis: the image's size, a half, a quarter ...
_WAVES = 4


class Encoder(nn.Module):
    """Images (B, 1, H, W) to features (B, channels, ⌈H/8⌉, ⌈W/8⌉).

    Args:
        channels: of the features.
        width: of the transformer; a multiple of ``heads``.
        blocks: transformer blocks.
        heads: of the attention.

    Raises:
        InputError: for a width that is not a multiple of heads.
    """

    def __init__(self, channels: int = 16, width: int = 64, blocks: int = 2, heads: int = 4) -> None:
        super().__init__()
        if width % (4 * heads):
            raise InputError(f"An encoder's width {width} must be a multiple of 4 times its {heads} heads.")
        self.settings = {"channels": channels, "width": width, "blocks": blocks, "heads": heads}
        quarter, half = width // 4, width // 2
        self.stem = nn.Sequential(
            Convolution(1, quarter, 5, stride=2, padding=2),
            GroupNorm(quarter),
            GELU(),
            Convolution(quarter, half, 3, stride=2, padding=1),
            GroupNorm(half),
            GELU(),
            Convolution(half, half, 3, padding=1),
            GroupNorm(half),
            GELU(),
            Convolution(half, width, 3, stride=2, padding=1),
            GroupNorm(width),
        )
        self.position = nn.Linear(4 * _WAVES, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(blocks)])
        self.norm = LayerNorm(width)
        self.out = Linear(width, channels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class.

        Raises:
            InputError: for images of another shape, or smaller than one feature.
        """
        _check(images)
        maps = self.stem(images)
        height, width = maps.shape[-2:]
        tokens = maps.flatten(2).transpose(1, 2) + self.position(_waves(height, width).to(maps))
        for block in self.blocks:
            tokens = block(tokens, height, width)
        features: Tensor = self.out(self.norm(tokens)).transpose(1, 2).unflatten(2, (height, width))
        return features

    def linearize(self, images: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Features of images (B, 1, H, W) and their derivatives along directions (B, P, 1, H, W).

        Returns:
            Features (B, channels, h, w) and derivatives (B, P, channels, h, w).

        Raises:
            InputError: as in :meth:`forward`.
        """
        _check(images)
        values, tangents = images, directions
        for layer in self.stem:
            assert isinstance(layer, Convolution | GroupNorm | GELU)
            values, tangents = layer.linearize(values, tangents)
        height, width = values.shape[-2:]
        values = values.flatten(2).transpose(1, 2) + self.position(_waves(height, width).to(values))
        tangents = tangents.flatten(3).transpose(2, 3)
        for block in self.blocks:
            assert isinstance(block, Block)
            values, tangents = block.linearize(values, tangents, height, width)
        both = self.out.linearize(*self.norm.linearize(values, tangents))
        features, derivatives = (each.transpose(-1, -2).unflatten(-1, (height, width)) for each in both)
        return features, derivatives


def _check(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[-2:]) < STRIDE:
        raise InputError(f"An encoder takes images (B, 1, H, W) of at least {STRIDE}², not {tuple(images.shape)}.")


def _waves(height: int, width: int) -> Tensor:
    """(height · width, 16) sines and cosines of positions: from the left and upper edges to the others are −1 to 1."""
    rows, columns = ((2 * torch.arange(n) + 1) / n - 1 for n in (height, width))
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
    angles = (grid[:, :, None] * (0.5 * math.pi * 2.0 ** torch.arange(_WAVES))).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)
