"""A U-Net: an image to maps of its own size (Ronneberger et al., MICCAI 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from SphericalRegLib.errors import InputError

_GROUPS = 4


class Twice(nn.Module):
    """Two convolutions with a short way around them; GroupNorm, for batches are small."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1),
            nn.GroupNorm(_GROUPS, after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1),
            nn.GroupNorm(_GROUPS, after),
        )
        self.around = nn.Conv2d(before, after, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W)."""
        return (self.path(maps) + self.around(maps)).relu()


class UNet(nn.Module):
    """Images (B, 1, H, W) to (B, outputs, H, W).

    Args:
        outputs: channels.
        width: channels of the first level; each further one has twice as many.
        layers: levels.

    Raises:
        InputError: for less than two levels, or a width that has no groups.
    """

    def __init__(self, outputs: int, width: int = 8, layers: int = 4) -> None:
        super().__init__()
        if layers < 2 or width < _GROUPS or width % _GROUPS:
            raise InputError(
                f"A U-Net has 2 levels or more, and a width of a multiple of {_GROUPS}: {layers}, {width}."
            )
        sizes = [width * 2**level for level in range(layers)]
        self.down = nn.ModuleList(Twice(a, b) for a, b in zip([1, *sizes[:-1]], sizes, strict=True))
        self.pool = nn.MaxPool2d(2)
        pairs = list(zip(sizes[:0:-1], sizes[-2::-1], strict=True))
        self.raise_ = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(Twice(2 * b, b) for _, b in pairs)
        self.out = nn.Conv2d(width, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """See the class; sides must be multiples of 2 to the number of levels less one."""
        maps, kept = images, []
        for level, block in enumerate(self.down):
            maps = block(self.pool(maps) if level else maps)
            kept.append(maps)
        for wider, block, beside in zip(self.raise_, self.up, kept[-2::-1], strict=True):
            maps = block(torch.cat([beside, wider(maps)], dim=1))
        result: Tensor = self.out(maps)
        return result
