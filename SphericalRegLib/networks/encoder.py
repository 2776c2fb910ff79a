"""A small CNN-Transformer encoder of images to feature maps (ξ of Chen and Kong, WACV 2026).

Everything in it has forward-mode derivatives that can be differentiated again: attention is written out (torch's fused
one has none), and positions enter as waves over the image's width and height, so that any image size will do.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SphericalRegLib.errors import InputError

#: Pixels of the image along each axis of one feature.
STRIDE = 8
# Along the longer axis of the grid that attention looks at.
_KEYS = 8
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
            nn.Conv2d(1, quarter, 5, stride=2, padding=2),
            _GroupNorm(quarter),
            nn.GELU(),
            nn.Conv2d(quarter, half, 3, stride=2, padding=1),
            _GroupNorm(half),
            nn.GELU(),
            nn.Conv2d(half, half, 3, padding=1),
            _GroupNorm(half),
            nn.GELU(),
            nn.Conv2d(half, width, 3, stride=2, padding=1),
            _GroupNorm(width),
        )
        self.position = nn.Linear(4 * _WAVES, width)
        self.blocks = nn.ModuleList([_Block(width, heads) for _ in range(blocks)])
        self.norm = _LayerNorm(width)
        self.out = nn.Linear(width, channels)

    def forward(self, images: Tensor) -> Tensor:
        """See the class.

        Raises:
            InputError: for images of another shape, or smaller than one feature.
        """
        if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[-2:]) < STRIDE:
            raise InputError(f"An encoder takes images (B, 1, H, W) of at least {STRIDE}², not {tuple(images.shape)}.")
        maps = self.stem(images)
        height, width = maps.shape[-2:]
        tokens = maps.flatten(2).transpose(1, 2) + self.position(_waves(height, width).to(maps))
        for block in self.blocks:
            tokens = block(tokens, height, width)
        features: Tensor = self.out(self.norm(tokens)).transpose(1, 2).unflatten(2, (height, width))
        return features


def _waves(height: int, width: int) -> Tensor:
    """(height · width, 16) sines and cosines of positions: from the left and upper edges to the others are −1 to 1."""
    rows, columns = ((2 * torch.arange(n) + 1) / n - 1 for n in (height, width))
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)
    angles = (grid[:, :, None] * (0.5 * math.pi * 2.0 ** torch.arange(_WAVES))).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class _LayerNorm(nn.Module):
    """Layer normalization, written out: gradients through the forward derivative of torch's own are wrong (2.13)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        centered = tokens - tokens.mean(-1, keepdim=True)
        scaled = centered * (centered.square().mean(-1, keepdim=True) + 1e-5).rsqrt()
        return torch.addcmul(self.bias, scaled, self.weight)


class _GroupNorm(nn.Module):
    """Group normalization, written out: torch's own takes a tenth more of a step's time in forward mode."""

    def __init__(self, width: int, groups: int = 4) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, maps: Tensor) -> Tensor:
        variance, mean = torch.var_mean(maps.unflatten(1, (self.groups, -1)).flatten(2), dim=-1, correction=0)
        each = maps.shape[1] // self.groups
        scale = (variance + 1e-5).rsqrt().repeat_interleave(each, 1) * self.weight
        shift = self.bias - mean.repeat_interleave(each, 1) * scale
        # one product per pixel, with what is known of the whole group
        return maps * scale[:, :, None, None] + shift[:, :, None, None]


class _Block(nn.Module):
    """Pre-norm transformer block on tokens (B, H·W, width).

    Every token looks at an H/r × W/r grid of averages (spatial reduction; Wang et al., ICCV 2021), not larger than
    8 × 8: attention among all 32 × 32 tokens and its six derivatives would take most of a step's time.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = _LayerNorm(width), _LayerNorm(width)
        self.seen = _LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.merge = nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, height: int, width: int) -> Tensor:
        normed = self.before(tokens)
        reduction = max(1, math.ceil(max(height, width) / _KEYS))
        grid = normed.transpose(1, 2).unflatten(2, (height, width))
        seen = self.seen(F.avg_pool2d(grid, reduction, ceil_mode=True).flatten(2).transpose(1, 2))
        query = self.query(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, N, width/heads)
        key, value = self.key_value(seen).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        # scaled before the product: there are fewer queries than scores
        attention = torch.softmax((query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2), dim=-1)
        mixed = (attention @ value).transpose(1, 2).flatten(-2)
        tokens = tokens + self.merge(mixed)
        return tokens + self.narrow(F.gelu(self.widen(self.between(tokens))))
