"""Networks that tell of every pixel where it belongs in one patient: landmarks' heatmaps, or scene coordinates.

Heatmaps are DFLNet's (Grupp et al., IJCARS 2020), here without its segmentation; scene coordinates are SCR-reg's
(Shrestha et al., MICCAI 2023): where the ray of a pixel enters bone and where it leaves it, each with how sure it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from SphericalRegLib.errors import InputError
from SphericalRegLib.networks.unet import UNet

#: What is told of pixels.
HEATMAPS, COORDINATES = "heatmaps", "coordinates"
#: mm that a coordinate of 1 stands for.
UNIT_MM = 100.0
# Entry, its log deviation, exit, its log deviation.
_CHANNELS = 8


class DenseNetwork(nn.Module):
    """A U-Net with what its maps are.

    Args:
        kind: :data:`HEATMAPS` or :data:`COORDINATES`.
        size: pixels along each side of its images; a multiple of 8.
        width: of the U-Net's first level.
        points: of heatmaps, (x, y, z) mm of each landmark from the CT's isocenter.

    Raises:
        InputError: for another kind or size, or for heatmaps of fewer than four landmarks.
    """

    def __init__(
        self, kind: str = HEATMAPS, size: int = 64, width: int = 8, points: Sequence[Sequence[float]] = ()
    ) -> None:
        super().__init__()
        if kind not in (HEATMAPS, COORDINATES):
            raise InputError(f"There is no dense network {kind!r}: choose {HEATMAPS} or {COORDINATES}.")
        if size < 32 or size % 8:
            raise InputError(f"A dense network's size {size} must be a multiple of 8, 32 or more.")
        if kind == HEATMAPS and len(points) < 4:
            raise InputError(f"Heatmaps are of 4 landmarks or more, not of {len(points)}.")
        self.kind, self.size, self.points = kind, size, [[float(x) for x in point] for point in points]
        self.settings: dict[str, Any] = {"kind": kind, "size": size, "width": width, "points": self.points}
        self.net = UNet(len(points) if kind == HEATMAPS else _CHANNELS, width)

    def forward(self, images: Tensor) -> Tensor:
        """Maps (B, C, size, size) of standardized images (B, 1, size, size).

        Raises:
            InputError: for images of another shape.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != (1, self.size, self.size):
            raise InputError(f"This network takes images (B, 1, {self.size}, {self.size}), not {tuple(images.shape)}.")
        maps: Tensor = self.net(images)
        return maps
